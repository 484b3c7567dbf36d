/** `perigee ping` and `perigee status`: whether a node answers, and how it is. */
import { CliError } from './exit-codes.js';
import { connectNode, type NodeOptions } from './node-client.js';
import { type OutputOptions, printResult } from './output.js';
import { printable } from './printable.js';
import { asCliFailure } from './request-failure.js';

export interface StatusVerbOptions extends NodeOptions, OutputOptions {}

/** Prints how long one answer took. */
export async function ping(options: StatusVerbOptions): Promise<void> {
	const client = connectNode(options);
	try {
		// The first answer pays for the connection, and for code that was never used.
		await client.api.live();
		const startMs = performance.now();
		const { version } = await client.api.live();
		const milliseconds = Number((performance.now() - startMs).toFixed(2));
		const node = client.name;
		printResult(options, { node, version, milliseconds }, `${node}: ${milliseconds} ms, version ${printable(version)}`);
	} finally {
		client.close();
	}
}

/** Prints the node's state, one `key: value` a line, then its reasons. Errors: busy when it takes no uploads. */
export async function status(options: StatusVerbOptions): Promise<void> {
	const client = connectNode(options);
	try {
		const { version } = await client.api.live();
		const { ready, reasons } = await client.api.ready();
		// While a node mends its index it knows no flow.
		const flow = await client.api.flow().catch((error: unknown) => {
			const failure = asCliFailure(error);
			if (failure instanceof CliError && failure.exit === 'busy') return undefined;
			throw failure;
		});
		const state = { node: client.name, version, ready, ...(flow && { flow }), reasons };
		const lines = [
			`node: ${state.node}`,
			`version: ${printable(version)}`,
			`ready: ${ready ? 'yes' : 'no'}`,
			...(flow
				? [`submissions: ${flow.submissions}`, `flow: ${flow.lengthSectors} sectors, root ${flow.root}`].map(printable)
				: []),
			...reasons.map(({ code, message }) => printable(`${code}: ${message}`)),
		];
		printResult(options, state, lines.join('\n'));
		if (!ready)
			throw new CliError('busy', 'the node takes no uploads', { hint: 'docs/operations.md tells what to do.' });
	} finally {
		client.close();
	}
}
