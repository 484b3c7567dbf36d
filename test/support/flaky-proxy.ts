/** Stands between a client and a server and breaks connections, as networks do. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

/** What one connection carries until it breaks; absent: as much as wanted. */
export interface Budget {
	readonly requestBytes?: number;
	readonly answerBytes?: number;
}

export interface FlakyProxy {
	readonly url: string;
	/** Connections so far. */
	readonly connections: number;
}

/** The n-th connection has the n-th budget; those behind them never break. */
export async function startFlakyProxy(t: TestContext, port: number, budgets: readonly Budget[]): Promise<FlakyProxy> {
	let connections = 0;
	const server = createServer((client) => {
		const { requestBytes, answerBytes } = budgets[connections++] ?? {};
		const upstream = connect(port, '127.0.0.1');
		const end = (): void => {
			client.destroy();
			upstream.destroy();
		};
		for (const socket of [client, upstream]) socket.on('error', end).on('close', end);
		carry(client, upstream, requestBytes, end);
		carry(upstream, client, answerBytes, end);
	});
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.after(() => server.close());
	return {
		url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		get connections() {
			return connections;
		},
	};
}

/** Hands bytes on, one chunk at a time; after `most` of them it ends the connection. */
function carry(from: Socket, to: Socket, most: number | undefined, end: () => void): void {
	let left = most ?? Number.POSITIVE_INFINITY;
	from.on('data', (chunk) => {
		const part = chunk.subarray(0, Math.min(left, chunk.length));
		left -= part.length;
		const isLast = left <= 0;
		from.pause();
		to.write(part, () => (isLast ? end() : from.resume()));
	});
}
