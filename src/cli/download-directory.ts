/** `perigee download <root> --out <directory>`: everything that a stored directory holds, each file checked against its root. */
import { lstat, mkdir, readlink, stat, symlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileNode, LinkNode, TreeNode } from '../api/rest/directory-metadata.js';
import { entriesBelow, staysInside } from '../api/rest/directory-tree.js';
import { LIMITS } from '../limits.js';
import type { DataRoot } from '../units.js';
import { eachAtOnce } from './at-once.js';
import { CliError } from './exit-codes.js';
import { fetchInto, wrongContent } from './fetch-file.js';
import { hashFile } from './local-file.js';
import { makeDirectories } from './make-directories.js';
import type { NodeClient } from './node-client.js';
import type { OutputOptions } from './output.js';
import { alreadyThere, PartFiles } from './part-files.js';
import { type Progress, startProgress } from './progress.js';
import { fetchDirectory } from './stored-directory.js';

export interface UnpackOptions extends OutputOptions {
	readonly force?: boolean;
	/** What becomes of links that lead out of the directory: they are refused, left out, or made as they are. */
	readonly links?: 'skip' | 'keep';
}

export interface UnpackResult {
	readonly root: DataRoot;
	/** The local directory. */
	readonly directory: string;
	readonly files: number;
	/** Files that were there already, whole. */
	readonly unchanged: number;
	readonly directories: number;
	readonly links: number;
	/** Links that were left out. */
	readonly skippedLinks: number;
	/** Of all files together. */
	readonly bytes: number;
}

/** No file system that is in use takes a longer name. */
const MOST_NAME_BYTES = 255;

interface Placed<N extends TreeNode> {
	readonly node: N;
	readonly target: string;
}

/**
 * Unpacks a directory. What is there already and has the right root is left as it is, so that a second call goes on where a first one broke
 * off. Nothing is written through links, and links are made last. Errors: CliError.
 */
export async function downloadDirectory(
	client: NodeClient,
	root: DataRoot,
	directory: string,
	options: UnpackOptions,
): Promise<UnpackResult> {
	const tree = await fetchDirectory(client, root);
	const files: Placed<FileNode>[] = [];
	const links: Placed<LinkNode>[] = [];
	const directories: string[] = [];
	let skippedLinks = 0;
	for (const { node, parts } of entriesBelow(tree)) {
		const target = join(directory, ...parts);
		if (Buffer.byteLength(node.name) > MOST_NAME_BYTES) throw tooLong(target);
		if (node.type === 'directory') directories.push(target);
		else if (node.type === 'file') files.push({ node, target });
		else if (options.links === 'keep' || staysInside(parts, node.link)) links.push({ node, target });
		else if (options.links === 'skip') skippedLinks++;
		else throw unsafe(parts.join('/'), node.link);
	}
	const found = await stat(directory).catch(() => undefined);
	if (found && !found.isDirectory()) throw noDirectory(directory);
	await makeDirectories(directory);
	// Each stands behind the one that it lies in.
	for (const target of directories) await makeDirectory(target);
	const bytes = files.reduce((sum, { node }) => sum + node.size, 0);
	const progress = await startProgress(options, directory, bytes);
	const parts = new PartFiles();
	let unchanged = 0;
	try {
		await eachAtOnce(files, LIMITS.clientFilesAtOnce, async (file) => {
			try {
				if (await isDone(file, options)) {
					unchanged++;
					progress.add(file.node.size);
				} else {
					await writeFile(file, { client, parts, progress, force: options.force === true });
				}
			} catch (error) {
				// The others need not go on.
				client.close();
				throw error;
			}
		});
	} finally {
		parts.close();
		progress.stop();
	}
	for (const link of links) await makeLink(link, options);
	return {
		root,
		directory,
		files: files.length,
		unchanged,
		directories: directories.length,
		links: links.length,
		skippedLinks,
		bytes,
	};
}

async function makeDirectory(target: string): Promise<void> {
	const found = await entryAt(target);
	if (found === undefined) await mkdir(target);
	// A link to a directory would lead what follows elsewhere.
	else if (!found.isDirectory()) throw noDirectory(target);
}

/** Whether the file is there as it should be. Errors: usage, when something else is and nobody said `--force`. */
async function isDone({ node, target }: Placed<FileNode>, options: UnpackOptions): Promise<boolean> {
	const found = await entryAt(target);
	if (found === undefined) return false;
	const [root, second] = node.roots;
	if (found.isFile() && found.size === node.size && second === undefined) {
		if (root === undefined) return true;
		if ((await hashFile(target, { quiet: true })).root === root) return true;
	}
	if (options.force !== true || found.isDirectory()) throw alreadyThere(target);
	return false;
}

interface Writing {
	readonly client: NodeClient;
	readonly parts: PartFiles;
	readonly progress: Progress;
	readonly force: boolean;
}

async function writeFile(
	{ node, target }: Placed<FileNode>,
	{ client, parts, progress, force }: Writing,
): Promise<void> {
	const { roots, size } = node;
	await parts.write(target, roots[0]?.slice(2, 18) ?? 'empty', force, async (file) => {
		let written = 0;
		for (const root of roots) {
			const sizeBytes = roots.length === 1 ? size : undefined;
			written += await fetchInto(file, { client, root, sizeBytes, onBytes: progress.add });
		}
		const [first] = roots;
		if (first !== undefined && written !== size) throw wrongContent(first, `${written} bytes came in all, not ${size}`);
	});
}

async function makeLink({ node, target }: Placed<LinkNode>, { force }: UnpackOptions): Promise<void> {
	const found = await entryAt(target);
	if (found?.isSymbolicLink() && (await readlink(target)) === node.link) return;
	if (found) {
		if (force !== true || found.isDirectory()) throw alreadyThere(target);
		await unlink(target);
	}
	await symlink(node.link, target);
}

async function entryAt(path: string) {
	try {
		return await lstat(path);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
		throw error;
	}
}

function noDirectory(target: string): CliError {
	return new CliError('usage', `${target}: is there already and is no directory`, {
		hint: 'Choose another place with --out.',
	});
}

function tooLong(target: string): CliError {
	return new CliError('usage', `${target}: the name is too long for this file system`, {
		hint: 'Fetch the files one by one: perigee ls <root> names their roots, and download takes a name with -o.',
	});
}

function unsafe(path: string, link: string): CliError {
	return new CliError(
		'refused',
		`${JSON.stringify(path)} is a link that leads out of the directory, to ${JSON.stringify(link)}`,
		{
			hint: 'Leave such links out with --links skip, or make them with --links keep.',
			code: 'UNSAFE_LINK',
		},
	);
}
