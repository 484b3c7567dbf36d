/** Segments sent over JSON-RPC to a node that is killed again and again: whatever was answered is there, and what is complete becomes a file. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { chainEnvironment, startChain, type TestChain } from '../support/chain.js';
import { until } from '../support/chain-store.js';
import { Prng } from '../support/prng.js';
import { type JsonNode, startJsonNode, temporaryDirectory } from '../support/processes.js';
import { call, result } from '../support/rpc.js';
import { segmentsOf, type JsonSegment } from '../support/segments.js';

const KILLS = 20;

/** A content on its way to the node: what of it was not answered yet. */
interface Sending {
	readonly content: Uint8Array;
	readonly root: string;
	readonly left: JsonSegment[];
	isPaid: boolean;
}

describe('a node that takes segments', () => {
	let chain: TestChain;
	before(async () => {
		chain = await startChain();
	});
	after(() => chain.stop());

	const start = (t: TestContext, dataDir: string): Promise<JsonNode> =>
		startJsonNode(t, dataDir, [], chainEnvironment(chain));

	it(`killed ${KILLS} times has every segment that it has answered for`, async (t: TestContext) => {
		const prng = new Prng(815);
		const dataDir = temporaryDirectory(t);
		const all: Sending[] = [];
		for (let kill = 0; kill < KILLS; kill++) {
			const node = await start(t, dataDir);
			for (let one = 0; one < 2; one++) {
				const content = prng.bytes(1 + prng.below(kill % 2 === 0 ? 6_000_000 : 500_000));
				const { root, segments } = segmentsOf(content);
				all.push({ content, root, left: [...segments], isPaid: false });
			}
			const isOver = { now: false };
			const senders = Array.from({ length: 4 }, () => sendAny(node, prng, all, isOver));
			const payable = all.filter(({ isPaid }) => !isPaid).slice(0, 2);
			await chain.submit(payable.map(({ content }) => content));
			for (const sending of payable) sending.isPaid = true;
			await delay(prng.below(250));
			await node.end('SIGKILL');
			isOver.now = true;
			await Promise.all(senders);
		}
		const node = await start(t, dataDir);
		for (const { content, root, left } of all) {
			await until('the submission', async () => (await result(node, 'zgs_getFileInfo', root, true)) !== null);
			// Only what was never answered for is sent again.
			for (const segment of left) {
				const answer = await call(node, 'zgs_uploadSegment', [segment]);
				if (answer.error?.message !== 'segment has already been uploaded or is being uploaded')
					assert.ok(
						answer.result === null || answer.error?.data === 'already uploaded and finalized',
						JSON.stringify(answer),
					);
			}
			await until('the file', async () => (await result(node, 'zgs_checkFileFinalized', root)) === true);
			const whole = await fetch(`${node.url}/v1/files/${root}?verify=merkle`);
			assert.ok(Buffer.from(await whole.arrayBuffer()).equals(content));
		}
		assert.equal(await node.end('SIGTERM'), 0);
	});
});

/** Sends segments of any content, in any order, a few in a call, until the node is gone. */
async function sendAny(
	node: JsonNode,
	prng: Prng,
	all: readonly Sending[],
	isOver: { readonly now: boolean },
): Promise<void> {
	while (!isOver.now) {
		const open = all.filter(({ left }) => left.length > 0);
		const sending = open[prng.below(Math.max(1, open.length))];
		if (!sending) {
			await delay(5);
			continue;
		}
		const { left } = sending;
		const some = Array.from({ length: 1 + prng.below(6) }, () => left[prng.below(left.length)]).filter(
			(one) => one !== undefined,
		);
		try {
			const answer = await call(node, 'zgs_uploadSegments', [some]);
			const isThere = 'result' in answer || answer.error?.data === 'already uploaded and finalized';
			assert.ok(isThere, JSON.stringify(answer));
		} catch (error) {
			if (error instanceof assert.AssertionError) throw error;
			// The node was killed: nobody knows what became of these.
			return;
		}
		for (const segment of some) if (left.includes(segment)) left.splice(left.indexOf(segment), 1);
	}
}
