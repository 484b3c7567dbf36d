/** Bodies of JSON-RPC over many connections. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expectStatus } from './http-connection.js';
import type { JobResult, RpcPostsJob } from './jobs.js';
import { head, runRequests } from './requests.js';

export async function rpcPosts(job: RpcPostsJob): Promise<JobResult> {
	const bodies = await Promise.all(
		Array.from({ length: job.count }, async (_, index) =>
			requestOf(await readFile(join(job.directory, String(index)))),
		),
	);
	const bytes = bodies.reduce((sum, { length }) => sum + length, 0);
	const timing = await runRequests(job, () => ({
		request: (index) => bodies[index] ?? Buffer.alloc(0),
		answered(_index, answer) {
			expectStatus(answer, 200);
			if (answer.body.toString() !== job.answer) throw new Error(`a call was answered with ${answer.body.toString()}`);
		},
		keepBody: true,
	}));
	return { ...timing, bytes, locations: [] };
}

export function requestOf(body: Uint8Array): Buffer {
	return Buffer.concat([head('POST', '/', ['Content-Type: application/json', `Content-Length: ${body.length}`]), body]);
}
