/** A Unix socket that only the user of the process may open, from the first moment on. */
import * as fs from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { PerigeeError } from '../errors.js';
import { call, codeOf } from './system-call.js';

const OWNER_ONLY = 0o600;

/**
 * Errors: CONFIG_INVALID when something is at the path that is no socket or, unless `mayBeInUse`, in use, and when there is no such directory or it
 * takes no file.
 */
export async function assertSocketFree(path: string, mayBeInUse = false): Promise<void> {
	const there = await found(path);
	if (there === undefined) {
		if (!(await found(dirname(path)))?.isDirectory()) throw refused(`there is no directory ${dirname(path)}`);
	} else if (!there.isSocket()) throw refused(`${path} is there and is no socket`);
	else if (!mayBeInUse && (await isAnswered(path))) throw refused(`${path} is in use by another program`);
	await call<void>((done) => fs.access(dirname(path), fs.constants.W_OK | fs.constants.X_OK, done)).catch(
		(error: unknown) => {
			throw takesNone(path, error);
		},
	);
}

/**
 * Lets `listen` make a socket at the path that it is given, and gives it its name. It is made in a directory that nobody else may enter and gets
 * its rights there: by its name nobody else could open it at any time. A socket that a killed process left behind is taken away. The
 * answer removes the socket. Errors: CONFIG_INVALID as of `assertSocketFree`, and those of `listen`.
 */
export async function placeSocket(
	path: string,
	listen: (privatePath: string) => Promise<unknown>,
): Promise<() => Promise<void>> {
	await assertSocketFree(path);
	const directory = await call<string>((done) => fs.mkdtemp(join(dirname(path), '.perigee-'), done)).catch(
		(error: unknown) => {
			throw takesNone(path, error);
		},
	);
	const made = join(directory, 's');
	try {
		await listen(made);
		await call<void>((done) => fs.chmod(made, OWNER_ONLY, done));
		const own = await call<fs.Stats>((done) => fs.lstat(made, done));
		if (await found(path)) await removed(path);
		// Unlike a rename this takes no name away from a process that has been quicker.
		await call<void>((done) => fs.link(made, path, done)).catch((error: unknown) => {
			throw codeOf(error) === 'EEXIST' ? refused(`${path} is in use by another program`) : error;
		});
		return async () => {
			if ((await found(path))?.ino === own.ino) await removed(path);
		};
	} finally {
		await removed(made);
		await call<void>((done) => fs.rmdir(directory, done));
	}
}

async function found(path: string): Promise<fs.Stats | undefined> {
	return call<fs.Stats>((done) => fs.lstat(path, done)).catch((error: unknown) => {
		if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
		throw error;
	});
}

async function removed(path: string): Promise<void> {
	await call<void>((done) => fs.unlink(path, done)).catch((error: unknown) => {
		if (codeOf(error) !== 'ENOENT') throw error;
	});
}

/** Whether a process listens there. Any other error than the refusal leaves the socket to whoever it belongs to. */
async function isAnswered(path: string): Promise<boolean> {
	return new Promise((resolve) => {
		const socket = connect(path);
		const end = (isThere: boolean): void => {
			socket.destroy();
			resolve(isThere);
		};
		socket.once('connect', () => end(true));
		socket.once('error', (error) => end(codeOf(error) !== 'ECONNREFUSED' && codeOf(error) !== 'ENOENT'));
	});
}

function takesNone(path: string, error: unknown): PerigeeError {
	return refused(`${dirname(path)} takes no socket (${codeOf(error) ?? String(error)})`);
}

function refused(what: string): PerigeeError {
	return new PerigeeError('CONFIG_INVALID', `the Unix socket cannot be made: ${what}; choose another with --admin`);
}
