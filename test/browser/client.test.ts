/** `perigee/client` in a real browser, against a real node. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type * as Client from 'perigee/client';
import { browserTest, openOrigin, watch } from '../support/browser.js';
import { startNode, temporaryDirectory } from '../support/processes.js';
import { startRest } from '../support/rest-server.js';

const FILES = {
	'client/client.js': fileURLToPath(import.meta.resolve('perigee/client')),
	'client/verify.js': fileURLToPath(import.meta.resolve('perigee/verify')),
};

browserTest(
	'a page uploads a file at once and in pieces, reads it back verified, and is told what is refused',
	async (t, page) => {
		const node = await startNode(t, join(temporaryDirectory(t), 'data'));
		const { errors, foreign } = watch(page, node.url);
		await openOrigin(page, node.url, FILES);
		const seen = await page.evaluate(
			async ({ module, url }) => {
				const { PerigeeClient, RequestError, VerifyError } = (await import(module)) as typeof Client;
				const client = new PerigeeClient({ node: url });
				const content = new Uint8Array(3_000_000);
				for (let at = 0; at < content.length; at += 65_536) crypto.getRandomValues(content.subarray(at, at + 65_536));
				const file = new File([content], 'page.bin', { type: 'text/plain' });
				const stored = await client.upload(file, { name: file.name });
				const { name: sentName, type: sentType } = file;
				const again = await client.uploadResumably(file.stream() as ReadableStream<Uint8Array>, {
					name: sentName,
					type: sentType,
					pieceBytes: 700_000,
				});
				const back = new Uint8Array(await new Response(client.downloadStream(stored.root)).arrayBuffer());
				const part: Uint8Array[] = [];
				for await (const bytes of client.download(stored.root, { from: 1000, to: 2000 })) part.push(bytes);
				const names: string[] = [];
				for await (const { name } of client.list({ prefix: 'page' })) names.push(name);
				const lying = new PerigeeClient({
					node: url,
					fetch: async (...args) => {
						const changed = new Uint8Array(await (await fetch(...args)).arrayBuffer());
						changed[changed.length - 1] = (changed[changed.length - 1] ?? 0) ^ 1;
						return new Response(changed);
					},
				});
				const failures: string[] = [];
				const size = content.length;
				const refused = [
					client.info(`0x${'ab'.repeat(32)}`),
					client.upload(file, { expectedRoot: `0x${'ab'.repeat(32)}` }),
					lying.downloadStream(stored.root, { size, from: 0, to: 100 }).getReader().read(),
				];
				for (const settled of await Promise.allSettled<unknown>(refused)) {
					const reason: unknown = settled.status === 'rejected' ? settled.reason : undefined;
					if (reason instanceof RequestError) failures.push(reason.code);
					else failures.push(reason instanceof VerifyError ? 'VerifyError' : String(reason));
				}
				const { name, type } = await client.info(stored.root);
				const isSame = (left: Uint8Array, right: Uint8Array): boolean =>
					left.length === right.length && left.every((byte, index) => byte === right[index]);
				return {
					isAgainSame: again.root === stored.root && again.txSeq === stored.txSeq && again.size === size,
					isWholeSame: isSame(back, content),
					isPartSame: isSame(new Uint8Array(await new Blob(part).arrayBuffer()), content.subarray(1000, 2000)),
					names,
					about: [name, type],
					failures,
				};
			},
			{ module: '/client/client.js', url: node.url },
		);
		assert.deepEqual(seen, {
			isAgainSame: true,
			isWholeSame: true,
			isPartSame: true,
			names: ['page.bin'],
			about: ['page.bin', 'text/plain'],
			failures: ['NOT_FOUND', 'ROOT_MISMATCH', 'VerifyError'],
		});
		assert.deepEqual(foreign, []);
		// The browser itself tells of the two refusals that were meant.
		assert.equal(errors.filter((error) => !/status of (404|422)/.test(error)).length, 0, errors.join('\n'));
	},
);

/** A site of its own, really served: pages that a test makes up may not ask what listens on this machine. */
async function startSite(t: TestContext): Promise<string> {
	const server = createServer((request, response) => {
		const file = FILES[(request.url ?? '').slice(1) as keyof typeof FILES];
		response.setHeader('Content-Type', file ? 'text/javascript' : 'text/html');
		response.end(file ? readFileSync(file) : '<!doctype html><title>elsewhere</title><link rel="icon" href="data:,">');
	}).listen(0, '127.0.0.1');
	await once(server, 'listening');
	t.after(() => {
		server.closeAllConnections();
		server.close();
	});
	return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

browserTest(
	'a page of another origin does the same where that origin is let in, and nothing where it is not',
	async (t, page) => {
		const elsewhere = await startSite(t);
		const open = await startRest(t, { corsOrigins: [elsewhere] });
		const closed = await startRest(t);
		const { errors } = watch(page, elsewhere);
		await page.goto(`${elsewhere}/`);
		const run = (url: string) =>
			page.evaluate(
				async ({ module, url }) => {
					const { PerigeeClient, RequestError } = (await import(module)) as typeof Client;
					const client = new PerigeeClient({ node: url });
					const content = new Uint8Array(600_000).fill(7);
					try {
						const { root, txSeq } = await client.uploadResumably(content, { pieceBytes: 250_000, tries: 1 });
						const back = await new Response(client.downloadStream(root, { from: 300_000, tries: 1 })).arrayBuffer();
						return { txSeq, bytes: back.byteLength };
					} catch (error) {
						return error instanceof RequestError ? error.code : String(error);
					}
				},
				{ module: '/client/client.js', url },
			);
		assert.deepEqual(await run(open.url), { txSeq: 0, bytes: 300_000 }, errors.join('\n'));
		assert.equal(await run(closed.url), 'UNREACHABLE');
		assert.equal(closed.store.count, 0);
	},
);
