/** One question of JSON-RPC again and again, from a process that does nothing else. */
import { setTimeout as delay } from 'node:timers/promises';
import { expectStatus, HttpConnection } from './http-connection.js';
import { requestOf } from './rpc-job.js';

const QUESTION_MS = 5;

/** Asks every few milliseconds over a connection of its own until it is stopped; how long the slowest in a hundred answers took. */
export function ask(port: number, question: string): { stop(): void; readonly p99Ms: Promise<number> } {
	let isOver = false;
	const work = async (): Promise<number> => {
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
		return latencies[Math.floor((latencies.length - 1) * 0.99)] ?? 0;
	};
	return { stop: () => void (isOver = true), p99Ms: work() };
}
