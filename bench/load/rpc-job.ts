/** Bodies of JSON-RPC over many connections, and what a question costs meanwhile. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { expectStatus, HttpConnection } from './http-connection.js';
import type { JobResult, RpcPostsJob } from './jobs.js';
import { head, runRequests } from './run-job.js';

const QUESTION_MS = 5;

export async function rpcPosts(job: RpcPostsJob): Promise<JobResult> {
	const bodies = await Promise.all(
		Array.from({ length: job.count }, async (_, index) =>
			requestOf(await readFile(join(job.directory, String(index)))),
		),
	);
	const bytes = bodies.reduce((sum, { length }) => sum + length, 0);
	const asking = ask(job);
	const posting = runRequests(job, () => ({
		request: (index) => bodies[index] ?? Buffer.alloc(0),
		answered(_index, answer) {
			expectStatus(answer, 200);
			if (answer.body.toString() !== job.answer) throw new Error(`a call was answered with ${answer.body.toString()}`);
		},
		keepBody: true,
	}));
	const { seconds, requests } = await posting.finally(() => asking.stop());
	return { seconds, requests, bytes, locations: [], latencyMs: await asking.latencyMs };
}

function requestOf(body: Uint8Array): Buffer {
	return Buffer.concat([head('POST', '/', ['Content-Type: application/json', `Content-Length: ${body.length}`]), body]);
}

/** Asks every few milliseconds, over a connection of its own. */
function ask({ port, question }: RpcPostsJob): { stop(): void; readonly latencyMs: Promise<JobResult['latencyMs']> } {
	let isOver = false;
	const work = async (): Promise<JobResult['latencyMs']> => {
		const connection = await HttpConnection.open(port);
		const request = requestOf(Buffer.from(question));
		const latencies: number[] = [];
		while (!isOver) {
			const sentMs = performance.now();
			const answered = connection.answer();
			connection.write(request);
			expectStatus(await answered, 200);
			latencies.push(performance.now() - sentMs);
			await delay(QUESTION_MS);
		}
		connection.close();
		latencies.sort((a, b) => a - b);
		const quantile = (share: number): number => latencies[Math.floor((latencies.length - 1) * share)] ?? 0;
		return { p50: quantile(0.5), p99: quantile(0.99) };
	};
	return { stop: () => void (isOver = true), latencyMs: work() };
}
