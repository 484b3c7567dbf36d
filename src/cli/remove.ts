/** `perigee rm <root…>`: deletes content on a node. */
import { rootArgument } from './local-file.js';
import { connectNode, type NodeOptions } from './node-client.js';
import { type OutputOptions, printResult } from './output.js';

export interface RemoveVerbOptions extends NodeOptions, OutputOptions {}

/** Prints the root of each file once it is deleted, durably. Nothing is deleted if one of the arguments is no root. */
export async function remove(roots: readonly string[], options: RemoveVerbOptions): Promise<void> {
	const checked = roots.map(rootArgument);
	const client = connectNode(options);
	try {
		for (const root of checked) {
			await client.api.remove(root);
			printResult(options, { root, deleted: true }, root);
		}
	} finally {
		client.close();
	}
}
