/**
 * The metadata file of a directory upload: a tree of names and data roots, stored as a file itself (spec log-layer §8.3). No node module stands
 * here, so that clients anywhere read and write it alike. Written is version 1, byte for byte as the official client writes it for the same tree;
 * read are versions 1 and 2, in which a file may consist of several stored files one behind another.
 */
import { PerigeeError } from '../../errors.js';
import { LIMITS } from '../../limits.js';
import { type DataRoot, parseDataRoot } from '../../units.js';
import { isJsonWithin } from './json-shape.js';

/** Media type under which directories are stored here; whether a file is one, its first bytes tell. */
export const DIRECTORY_TYPE = 'application/x-0g-directory';

/** Keccak-256 of `0g-storage-client-dir-codec`, then the version as two bytes, high one first. */
const MAGIC = 'a8795aa6b5ee8997448d47d3135f70f45e2d3502f8002edeef242ebd0458e7f5'
	.match(/../g)
	?.map((byte) => Number.parseInt(byte, 16)) as number[];
export const DIRECTORY_HEAD_BYTES = MAGIC.length + 2;
const WRITTEN_VERSION = 1;
/** What the official client writes for a file without bytes. */
const NO_ROOT = `0x${'00'.repeat(32)}`;

export interface FileNode {
	readonly type: 'file';
	readonly name: string;
	/** Bytes that the file had when it was uploaded. */
	readonly size: number;
	/** The stored files that it consists of, in order; none for an empty file. */
	readonly roots: readonly DataRoot[];
}

export interface LinkNode {
	readonly type: 'symbolic';
	readonly name: string;
	readonly link: string;
}

export interface DirectoryNode {
	readonly type: 'directory';
	readonly name: string;
	/** In the order of their names' UTF-8 bytes when written here. */
	readonly entries: readonly TreeNode[];
}

export type TreeNode = FileNode | LinkNode | DirectoryNode;

/** Whether a file begins like the metadata of a directory. `head`: its first bytes. */
export function isDirectoryHead(head: Uint8Array): boolean {
	return head.length >= DIRECTORY_HEAD_BYTES && MAGIC.every((byte, at) => head[at] === byte);
}

/**
 * The bytes of the metadata file. Errors: DIRECTORY_TOO_LARGE; BAD_DIRECTORY for a file of several roots, which version 1 cannot name.
 */
export function encodeDirectory(tree: DirectoryNode): Uint8Array {
	const text = new TextEncoder().encode(goJson(written({ ...tree, name: '/' })));
	const bytes = new Uint8Array(DIRECTORY_HEAD_BYTES + text.length);
	bytes.set(MAGIC);
	bytes[MAGIC.length + 1] = WRITTEN_VERSION;
	bytes.set(text, DIRECTORY_HEAD_BYTES);
	if (bytes.length > LIMITS.directoryMetadataBytes) throw tooLarge(`${bytes.length} bytes of metadata`);
	return bytes;
}

/** Members in the official client's order; what is empty is left out. */
function written(node: TreeNode): object {
	const { name, type } = node;
	if (node.type === 'symbolic') return { name, type, link: node.link };
	if (node.type === 'directory') {
		const entries = [...node.entries].sort((left, right) => byUtf8(left.name, right.name)).map(written);
		return { name, type, ...(entries.length > 0 && { entries }) };
	}
	if (node.roots.length > 1) throw bad(`${name} consists of several stored files`);
	return { name, type, hash: node.roots[0] ?? NO_ROOT, ...(node.size > 0 && { size: node.size }) };
}

/** JSON with the escapes of Go's encoder. */
function goJson(value: object): string {
	return JSON.stringify(value).replaceAll(
		/[<>&\u2028\u2029]/g,
		(sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`,
	);
}

/** Order of the UTF-8 bytes of two texts, which is that of their code points. */
export function byUtf8(left: string, right: string): number {
	const end = Math.min(left.length, right.length);
	for (let at = 0; at < end; at++) {
		const difference = left.charCodeAt(at) - right.charCodeAt(at);
		// Surrogates stand for what lies above all other characters.
		if (difference !== 0)
			return isSurrogate(left, at) === isSurrogate(right, at) ? difference : isSurrogate(left, at) ? 1 : -1;
	}
	return left.length - right.length;
}

function isSurrogate(text: string, at: number): boolean {
	return (text.charCodeAt(at) & 0xf800) === 0xd800;
}

/**
 * Reads a metadata file that may come from anybody. Errors: NOT_A_DIRECTORY when it does not begin like one; DIRECTORY_TOO_LARGE; BAD_DIRECTORY
 * for what cannot be read, names that are none, names that come twice in one directory.
 */
export function decodeDirectory(bytes: Uint8Array): DirectoryNode {
	if (!isDirectoryHead(bytes)) throw new PerigeeError('NOT_A_DIRECTORY');
	if (bytes.length > LIMITS.directoryMetadataBytes) throw tooLarge(`${bytes.length} bytes of metadata`);
	const version = ((bytes[MAGIC.length] ?? 0) << 8) | (bytes[MAGIC.length + 1] ?? 0);
	if (version !== 1 && version !== 2) throw bad(`it has the version ${version}; 1 and 2 are known`);
	const text = bytes.subarray(DIRECTORY_HEAD_BYTES);
	// A node is an object with at most one list, of its entries or its roots. What is more would cost memory before it could be refused.
	const shape = { depth: 2 * LIMITS.directoryDepth + 2, groups: 2 * LIMITS.directoryEntries + 2 };
	if (!isJsonWithin(text, shape)) throw tooLarge('too many entries, or too deep a tree');
	const tree = new TreeReader().read(parsed(text), 0);
	if (tree.type !== 'directory') throw bad('its root is no directory');
	return tree;
}

function parsed(text: Uint8Array): unknown {
	try {
		return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
	} catch (error) {
		throw bad(error instanceof SyntaxError ? 'it is no JSON' : 'it is no UTF-8', error);
	}
}

/** Counts nodes while it checks them. */
class TreeReader {
	#nodes = 0;

	read(value: unknown, depth: number): TreeNode {
		if (++this.#nodes > LIMITS.directoryEntries + 1) throw tooLarge(`more than ${LIMITS.directoryEntries} entries`);
		if (depth > LIMITS.directoryDepth) throw tooLarge('too deep a tree');
		if (typeof value !== 'object' || value === null) throw bad('an entry is no object');
		const { name, type, size = 0, link, hash, roots, entries } = value as Readonly<Record<string, unknown>>;
		if (typeof name !== 'string') throw bad('an entry has no name');
		if (depth > 0) checkEntryName(name, 'BAD_DIRECTORY');
		if (type === 'directory') return { type, name: depth > 0 ? name : '', entries: this.#entriesOf(entries, depth) };
		if (type === 'symbolic') {
			if (typeof link !== 'string') throw bad(`${name} leads nowhere`);
			return { type, name, link: checkLink(link, 'BAD_DIRECTORY') };
		}
		if (type !== 'file') throw bad(`${name} is neither file nor directory nor link`);
		if (!Number.isSafeInteger(size) || (size as number) < 0) throw bad(`${name} has no size`);
		if (size === 0 && !isNoRoot(hash, roots)) throw bad(`${name} has a data root and no size`);
		return { type, name, size: size as number, roots: size === 0 ? [] : rootsOf(name, hash, roots) };
	}

	#entriesOf(entries: unknown, depth: number): readonly TreeNode[] {
		if (entries === undefined || entries === null) return [];
		if (!Array.isArray(entries)) throw bad('the entries of a directory are no list');
		const nodes = entries.map((entry) => this.read(entry, depth + 1));
		const names = new Set(nodes.map(({ name }) => name));
		if (names.size < nodes.length) throw bad('a name comes twice in one directory');
		return nodes;
	}
}

function isZeroHash(text: unknown): boolean {
	return typeof text === 'string' && /^0x0*$/.test(text);
}

/** What stands for the root of an empty file, which has none. */
function isNoRoot(hash: unknown, roots: unknown): boolean {
	const texts: readonly unknown[] = Array.isArray(roots) ? [hash, ...(roots as readonly unknown[])] : [hash];
	return texts.every((text) => text === undefined || text === null || text === '' || isZeroHash(text));
}

function rootsOf(name: string, hash: unknown, roots: unknown): readonly DataRoot[] {
	const texts: readonly unknown[] = Array.isArray(roots) && roots.length > 0 ? roots : [hash];
	return texts.map((text) => {
		const root = typeof text === 'string' ? parseDataRoot(text) : undefined;
		if (root === undefined) throw bad(`${name} has no data root`);
		return root;
	});
}

/** A name that is one part of a path. Errors: the code given, BAD_PATH or BAD_DIRECTORY. */
export function checkEntryName(name: string, code: 'BAD_PATH' | 'BAD_DIRECTORY'): void {
	const reason = objectionTo(name);
	if (reason !== undefined) throw new PerigeeError(code, `${JSON.stringify(name.slice(0, 100))} ${reason}.`);
}

function objectionTo(name: string): string | undefined {
	if (name === '') return 'is an empty part of a path';
	if (name === '.' || name === '..') return 'is no name of a file';
	if (name.includes('/')) return 'has a "/"';
	if (/[\p{Cc}\p{Cs}]/u.test(name)) return 'has a character that names do not have';
	// A text of n characters has at most 3n bytes.
	const isLong = name.length * 3 > LIMITS.nameBytes && new TextEncoder().encode(name).length > LIMITS.nameBytes;
	return isLong ? `is longer than ${LIMITS.nameBytes} bytes` : undefined;
}

/** The target of a link, of any form. Errors: the code given. */
export function checkLink(link: string, code: 'BAD_PATH' | 'BAD_DIRECTORY'): string {
	const isLong = link.length > LIMITS.directoryPathBytes;
	if (link === '' || isLong || /[\p{Cc}\p{Cs}]/u.test(link))
		throw new PerigeeError(code, `${JSON.stringify(link.slice(0, 100))} is no target of a link.`);
	return link;
}

function bad(what: string, cause?: unknown): PerigeeError {
	return new PerigeeError('BAD_DIRECTORY', `The metadata of the directory cannot be used: ${what}.`, { cause });
}

export function tooLarge(what: string): PerigeeError {
	return new PerigeeError('DIRECTORY_TOO_LARGE', `The directory has ${what}.`);
}
