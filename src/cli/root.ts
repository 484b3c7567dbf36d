/** `perigee root <file>` and `perigee verify <file> --root`: data roots of local files, without a node. */
import { hexOf, SEGMENT_BYTES } from '../units.js';
import { CliError } from './exit-codes.js';
import { hashFile, rootArgument } from './local-file.js';
import { type OutputOptions, printResult } from './output.js';

export interface VerifyVerbOptions extends OutputOptions {
	readonly root: string;
}

/** Prints the data root; as JSON with the submission that the file makes. */
export async function root(file: string, options: OutputOptions): Promise<void> {
	const hashed = await hashFile(file, options);
	const value = {
		root: hashed.root,
		size: hashed.sizeBytes,
		segments: Math.ceil(hashed.sizeBytes / SEGMENT_BYTES),
		submission: { nodes: hashed.nodes.map((node) => ({ root: hexOf(node.root), height: node.height })) },
	};
	printResult(options, value, hashed.root);
}

/** Ends with exit code 4 unless the file has the data root. */
export async function verify(file: string, options: VerifyVerbOptions): Promise<void> {
	const wanted = rootArgument(options.root);
	const hashed = await hashFile(file, options);
	if (hashed.root !== wanted) {
		throw new CliError('verification', `${file}: has the data root ${hashed.root}, not ${wanted}`);
	}
	printResult(options, { root: hashed.root, size: hashed.sizeBytes, verified: true }, `${file}: verified`);
}
