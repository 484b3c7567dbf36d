/** Requests over many connections at once, each connection one after the other. */
import { type Answer, HttpConnection } from './http-connection.js';
import type { JobResult } from './jobs.js';

/** What one connection does again and again. */
interface Script {
	request(index: number): Uint8Array;
	answered(index: number, answer: Answer): void;
	onBody?(piece: Buffer): void;
	readonly keepBody?: boolean;
}

/** Sends `count` requests over the connections, each sending its next when it has its answer. */
export async function runRequests(
	job: { readonly port: number; readonly connections: number; readonly count: number },
	makeScript: () => Script,
): Promise<Pick<JobResult, 'seconds' | 'requests' | 'latencyMs'>> {
	const open = Array.from({ length: job.connections }, () => HttpConnection.open(job.port));
	const connections = await Promise.all(open);
	const latencies = new Float64Array(job.count);
	let next = 0;
	const work = async (connection: HttpConnection): Promise<void> => {
		const script = makeScript();
		for (let index = next++; index < job.count; index = next++) {
			const sentMs = performance.now();
			const answered = connection.answer(script);
			connection.write(script.request(index));
			const answer = await answered;
			latencies[index] = performance.now() - sentMs;
			script.answered(index, answer);
		}
	};
	const startMs = performance.now();
	await Promise.all(connections.map(work));
	const seconds = secondsSince(startMs);
	for (const connection of connections) connection.close();
	latencies.sort();
	const quantile = (share: number): number => latencies[Math.floor((job.count - 1) * share)] ?? 0;
	return { seconds, requests: job.count, latencyMs: { p50: quantile(0.5), p99: quantile(0.99) } };
}

export function head(method: string, path: string, headers: readonly string[] = []): Buffer {
	return Buffer.from([`${method} ${path} HTTP/1.1`, 'Host: bench', ...headers, '', ''].join('\r\n'), 'latin1');
}

export function secondsSince(startMs: number): number {
	return (performance.now() - startMs) / 1000;
}
