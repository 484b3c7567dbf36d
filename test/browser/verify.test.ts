/** `perigee/verify` in a real browser, against a real node. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as Verify from 'perigee/verify';
import { browserTest, openOrigin, watch } from '../support/browser.js';
import { startNode, temporaryDirectory } from '../support/processes.js';
import { put } from '../support/rest-server.js';

const MODULE = '/perigee-verify.js';
const FILES = { 'perigee-verify.js': fileURLToPath(import.meta.resolve('perigee/verify')) };
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

browserTest('a page fetches ranges with their proofs, verifies them, and refuses what was changed', async (t, page) => {
	const node = await startNode(t, join(temporaryDirectory(t), 'data'));
	const content = randomBytes(3_000_001);
	const root = await put(node, content);
	const { errors, foreign } = watch(page, node.url);
	await openOrigin(page, node.url, FILES);
	const size = content.length;
	for (const [from, to] of [
		[0, 1],
		[1000, 1300],
		[262_000, 262_300],
		[size - 1, size],
		[500_000, 2_500_000],
		[0, size],
	] as const) {
		const seen = await page.evaluate(
			async ({ module, root, size, from, to }) => {
				const { verifyRange, VerifyError } = (await import(module)) as typeof Verify;
				const answer = await fetch(`/v1/files/${root}?proof=range`, { headers: { Range: `bytes=${from}-${to - 1}` } });
				const bytes = new Uint8Array(await answer.arrayBuffer());
				const wanted = { root, size, from, to };
				const proved = verifyRange(bytes, wanted);
				const digest = await crypto.subtle.digest('SHA-256', proved);
				let refused = 0;
				const places = [0, 8, 40, bytes.length >> 1, bytes.length - 1];
				for (const place of places) {
					const changed = bytes.slice();
					changed[place] = (changed[place] ?? 0) ^ 1;
					try {
						verifyRange(changed, wanted);
					} catch (error) {
						if (error instanceof VerifyError) refused++;
					}
				}
				const sha256 = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
				return { sha256, isEachRefused: refused === places.length, type: answer.headers.get('content-type') };
			},
			{ module: MODULE, root, size, from, to },
		);
		assert.deepEqual(seen, {
			sha256: sha256(content.subarray(from, to)),
			isEachRefused: true,
			type: 'application/vnd.perigee.range-proof',
		});
	}
	assert.deepEqual({ errors, foreign }, { errors: [], foreign: [] });
});

browserTest(
	'a page verifies a large file while it arrives, and stops where it was changed on the way',
	async (t, page) => {
		const node = await startNode(t, join(temporaryDirectory(t), 'data'));
		const content = randomBytes(24 * 2 ** 20 + 3);
		const root = await put(node, content);
		await openOrigin(page, node.url, FILES);
		const run = async (changedAt: number) =>
			page.evaluate(
				async ({ module, root, size, changedAt }) => {
					const { RangeVerifier, VerifyError } = (await import(module)) as typeof Verify;
					const verifier = new RangeVerifier({ root, size, from: 0, to: size });
					const answer = await fetch(`/v1/files/${root}?proof=range`);
					const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
					const proved: Uint8Array[] = [];
					let [came, ms, verified, isRefused] = [0, 0, 0, false];
					for (let step = await reader.read(); !step.done && !isRefused; step = await reader.read()) {
						const chunk = step.value;
						if (changedAt >= came && changedAt < came + chunk.length) {
							const at = changedAt - came;
							chunk[at] = (chunk[at] ?? 0) ^ 1;
						}
						came += chunk.length;
						const startMs = performance.now();
						try {
							for (let at = 0; at < chunk.length; at += 65_536) {
								const parts = verifier.push(chunk.subarray(at, at + 65_536));
								for (const part of parts) verified += part.length;
								proved.push(...parts);
							}
						} catch (error) {
							isRefused = error instanceof VerifyError;
						}
						ms += performance.now() - startMs;
					}
					await reader.cancel();
					if (!isRefused) verifier.end();
					const all = await new Blob(proved).arrayBuffer();
					const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', all));
					const sha256 = [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
					return { sha256, verified, isRefused, ms };
				},
				{ module: MODULE, root, size: content.length, changedAt },
			);
		const { ms, ...honest } = await run(-1);
		assert.deepEqual(honest, { sha256: sha256(content), verified: content.length, isRefused: false });
		t.diagnostic(`verified at ${(content.length / 2 ** 20 / (ms / 1000)).toFixed(1)} MiB/s in the browser`);
		const place = 10_000_000;
		const changed = await run(place);
		assert.ok(changed.isRefused);
		assert.ok(
			changed.verified < place && changed.verified > place - 2 * 262_144,
			`${changed.verified} bytes were proved`,
		);
		assert.equal(changed.sha256, sha256(content.subarray(0, changed.verified)));
	},
);
