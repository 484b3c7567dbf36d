/** `perigee ls <root>[/path]`: what a stored directory holds. */
import type { TreeNode } from '../api/rest/directory-metadata.js';
import { entryAt } from '../api/rest/directory-tree.js';
import { CliError } from './exit-codes.js';
import { rootArgument } from './local-file.js';
import { connectNode, type NodeOptions } from './node-client.js';
import { type OutputOptions, printResult } from './output.js';
import { printable } from './printable.js';
import { fetchDirectory } from './stored-directory.js';

const PLACE = /^(0x[0-9a-f]{64})(?:\/(.*))?$/is;

/** Whether the text is a data root, or a path behind one. */
export function isInDirectory(place: string): boolean {
	return PLACE.test(place);
}

/** Prints one line for each entry: type, bytes, roots, name. The metadata is checked against the root. Errors: notFound. */
export async function listDirectory(place: string, options: NodeOptions & OutputOptions): Promise<void> {
	const [, root = '', path = ''] = PLACE.exec(place) ?? [];
	const client = connectNode(options);
	try {
		const tree = await fetchDirectory(client, rootArgument(root));
		const node = entryAt(
			tree,
			path.split('/').filter((part) => part !== ''),
		);
		if (node === undefined)
			throw new CliError('notFound', `${printable(path)}: there is no such entry in the directory`);
		for (const entry of node.type === 'directory' ? node.entries : [node])
			printResult(options, bodyOf(entry), lineOf(entry));
	} finally {
		client.close();
	}
}

function bodyOf(node: TreeNode): object {
	const { name, type } = node;
	if (node.type === 'file') return { name, type, size: node.size, roots: node.roots };
	return node.type === 'symbolic' ? { name, type, link: node.link } : { name, type };
}

function lineOf(node: TreeNode): string {
	const size = node.type === 'file' ? String(node.size) : '-';
	const roots = node.type === 'file' && node.roots.length > 0 ? node.roots.join('+') : '-';
	const name =
		node.type === 'directory' ? `${node.name}/` : node.type === 'symbolic' ? `${node.name} -> ${node.link}` : node.name;
	return `${node.type.padEnd(9)} ${size.padStart(14)} ${roots.padEnd(66)} ${printable(name)}`;
}
