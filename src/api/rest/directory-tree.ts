/** Trees of directory uploads: made out of paths, walked by paths. */
import { PerigeeError } from '../../errors.js';
import { LIMITS } from '../../limits.js';
import {
	checkEntryName,
	checkLink,
	type DirectoryNode,
	type FileNode,
	type LinkNode,
	tooLarge,
	type TreeNode,
} from './directory-metadata.js';

type Branch = Map<string, Branch | FileNode | LinkNode>;

/** Collects files under their paths. Nothing is in it twice, and nothing is both file and directory. */
export class DirectoryBuilder {
	readonly #root: Branch = new Map();
	#entries = 0;

	/** The parts of a relative path that is free. Errors: BAD_PATH, DIRECTORY_TOO_LARGE. */
	check(path: string): readonly string[] {
		if (path.length > LIMITS.directoryPathBytes)
			throw new PerigeeError('BAD_PATH', `A path has at most ${LIMITS.directoryPathBytes} characters.`);
		if (path.startsWith('/')) throw new PerigeeError('BAD_PATH', `${path.slice(0, 100)} is no relative path.`);
		const parts = path.split('/');
		if (parts.length > LIMITS.directoryDepth) throw tooLarge('too deep a tree');
		for (const part of parts) checkEntryName(part, 'BAD_PATH');
		let branch: Branch | undefined = this.#root;
		for (const [at, part] of parts.entries()) {
			const found: Branch | FileNode | LinkNode | undefined = branch?.get(part);
			const isLast = at === parts.length - 1;
			if (found !== undefined && (isLast || !(found instanceof Map)))
				throw new PerigeeError('BAD_PATH', `${parts.slice(0, at + 1).join('/')} comes twice.`);
			branch = found;
		}
		return parts;
	}

	/** Errors: as of `check`. */
	addFile(path: string, file: Pick<FileNode, 'size' | 'roots'>): void {
		const { branch, name } = this.#placeOf(path);
		branch.set(name, { type: 'file', name, ...file });
	}

	/** Errors: as of `check`. */
	addLink(path: string, link: string): void {
		const { branch, name } = this.#placeOf(path);
		branch.set(name, { type: 'symbolic', name, link: checkLink(link, 'BAD_PATH') });
	}

	/** A directory that may stay empty. Errors: as of `check`. */
	addDirectory(path: string): void {
		const { branch, name } = this.#placeOf(path);
		branch.set(name, new Map());
	}

	tree(): DirectoryNode {
		return { type: 'directory', name: '', entries: nodesOf(this.#root) };
	}

	#placeOf(path: string): { readonly branch: Branch; readonly name: string } {
		const parts = this.check(path);
		let branch = this.#root;
		for (const part of parts.slice(0, -1)) {
			let next = branch.get(part);
			if (next === undefined) {
				next = new Map();
				branch.set(part, next);
				this.#count();
			}
			// `check` has seen that it is none of the others.
			branch = next as Branch;
		}
		this.#count();
		return { branch, name: parts.at(-1) ?? '' };
	}

	#count(): void {
		if (++this.#entries > LIMITS.directoryEntries) throw tooLarge(`more than ${LIMITS.directoryEntries} entries`);
	}
}

function nodesOf(branch: Branch): TreeNode[] {
	return [...branch].map(([name, node]) =>
		node instanceof Map ? { type: 'directory', name, entries: nodesOf(node) } : node,
	);
}

/** The entry at a path; no parts: the directory itself. Undefined when there is none; links are not followed. */
export function entryAt(tree: DirectoryNode, parts: readonly string[]): TreeNode | undefined {
	let node: TreeNode | undefined = tree;
	for (const part of parts) {
		if (node?.type !== 'directory') return undefined;
		node = node.entries.find(({ name }) => name === part);
	}
	return node;
}

export interface PlacedNode {
	/** Parts of its path, at least one. */
	readonly parts: readonly string[];
	readonly node: TreeNode;
}

/** Everything in a directory, in the order of the metadata, each directory before what it holds. */
export function* entriesBelow(directory: DirectoryNode, parts: readonly string[] = []): Generator<PlacedNode> {
	for (const node of directory.entries) {
		const placed = { parts: [...parts, node.name], node };
		yield placed;
		if (node.type === 'directory') yield* entriesBelow(node, placed.parts);
	}
}

/** Whether a link stays inside of the directory whatever it leads to. `parts`: the path of the link. */
export function staysInside(parts: readonly string[], link: string): boolean {
	if (link.startsWith('/')) return false;
	let depth = parts.length - 1;
	for (const part of link.split('/')) {
		if (part === '..') depth--;
		else if (part !== '' && part !== '.') depth++;
		if (depth < 0) return false;
	}
	return true;
}
