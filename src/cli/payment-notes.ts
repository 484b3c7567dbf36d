/**
 * Transactions that this user's command line has signed, noted before they are sent: a call that was interrupted goes on with the same one, so that
 * nothing is paid for twice.
 */
import { createHash } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Hex } from 'viem';
import { CliError } from './exit-codes.js';
import { makeDirectories } from './make-directories.js';
import { alone } from './payment-lock.js';
import { stateDirectory } from './state-directory.js';
import { syncDirectory } from './sync-directory.js';

/** A signed transaction. */
export interface NotedPayment {
	readonly raw: Hex;
	readonly hash: Hex;
	readonly nonce: number;
	/** Who pays. */
	readonly from: Hex;
}

/** What the note is of: a submission to a flow. */
export interface PaidFor {
	readonly chainId: number | string;
	readonly flow: string;
	readonly root: string;
	readonly length: number | string;
}

export async function notedPayment(what: PaidFor): Promise<NotedPayment | undefined> {
	const text = await readFile(pathOf(what), 'utf8').catch(() => '');
	if (text === '') return undefined;
	const { raw, hash, nonce, from } = JSON.parse(text) as Partial<NotedPayment>;
	return raw && hash && nonce !== undefined && from ? { raw, hash, nonce, from } : undefined;
}

/** Runs `pay` while no other call of this user does. Errors: busy, failure, those of `pay`. */
export async function payingAlone<T>(pay: () => Promise<T>): Promise<T> {
	await makeDirectories(directory(), 0o700).catch((error: unknown) => Promise.reject(cannotWrite(error)));
	return await alone(directory(), pay);
}

/** Durable when it resolves. Call it within `payingAlone`. Errors: failure, as what is not noted might be paid for twice. */
export async function notePayment(what: PaidFor, payment: NotedPayment): Promise<void> {
	const path = pathOf(what);
	try {
		const file = await open(`${path}.new`, 'w', 0o600);
		try {
			await file.writeFile(JSON.stringify(payment));
			await file.sync();
		} finally {
			await file.close();
		}
		await rename(`${path}.new`, path);
		await syncDirectory(directory());
	} catch (error) {
		throw cannotWrite(error);
	}
}

function cannotWrite(error: unknown): CliError {
	const { code, message } = error as NodeJS.ErrnoException;
	return new CliError('failure', `${directory()} cannot be written (${code ?? message}): nothing was paid`, {
		hint: 'Payments are noted there, so that none is made twice. XDG_STATE_HOME names another place.',
	});
}

export async function forgetPayment(what: PaidFor): Promise<void> {
	await rm(pathOf(what), { force: true });
}

function directory(): string {
	return join(stateDirectory(), 'payments');
}

function pathOf({ chainId, flow, root, length }: PaidFor): string {
	const key = JSON.stringify([String(chainId), flow.toLowerCase(), root, String(length)]);
	return join(directory(), createHash('sha256').update(key).digest('hex'));
}
