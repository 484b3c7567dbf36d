/** `perigee ping` and `perigee status`: whether a node answers, and how it is. */
import type { Static } from 'typebox';
import type { FLOW_STATE, LIVENESS, READINESS } from '../api/rest/schemas.js';
import { CliError } from './exit-codes.js';
import { connectNode, type NodeClient, type NodeOptions, readJson } from './node-client.js';
import { type OutputOptions, printable, printResult } from './output.js';

export interface StatusVerbOptions extends NodeOptions, OutputOptions {}

/** Prints how long one answer took. */
export async function ping(options: StatusVerbOptions): Promise<void> {
	const client = connectNode(options);
	try {
		// The first answer pays for the connection, and for code that was never used.
		await client.getJson('/health/live');
		const startMs = performance.now();
		const { version } = await client.getJson<Static<typeof LIVENESS>>('/health/live');
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
		const { version } = await client.getJson<Static<typeof LIVENESS>>('/health/live');
		const { ready, reasons } = await readiness(client);
		// While a node mends its index it knows no flow.
		const flow = await client.getJson<Static<typeof FLOW_STATE>>('/v1/flow').catch((error: unknown) => {
			if (error instanceof CliError && error.exit === 'busy') return undefined;
			throw error;
		});
		const state = { node: client.name, version, ready, ...(flow && { flow }), reasons };
		const lines = [
			`node: ${state.node}`,
			`version: ${printable(version)}`,
			`ready: ${ready ? 'yes' : 'no'}`,
			...(flow ? [`submissions: ${flow.submissions}`, `flow: ${flow.lengthSectors} sectors, root ${flow.root}`] : []),
			...reasons.map(({ code, message }) => printable(`${code}: ${message}`)),
		];
		printResult(options, state, lines.join('\n'));
		if (!ready)
			throw new CliError('busy', 'the node takes no uploads', { hint: 'docs/operations.md tells what to do.' });
	} finally {
		client.close();
	}
}

async function readiness(client: NodeClient): Promise<Static<typeof READINESS>> {
	const { outgoing, answer } = client.begin({ method: 'GET', path: '/health/ready' });
	outgoing.end();
	// 503 says the same in its body.
	return readJson<Static<typeof READINESS>>(await answer);
}
