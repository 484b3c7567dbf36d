/**
 * The life of a store that comes near its limit, and whose power fails while it drops what it does not own any more, again and again. Promised: in
 * the end everything that is owned is there with its proof, the rest is not, what came over REST is whole, and a rebuild gives the same index.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PerigeeError } from '../../src/errors.js';
import type { Store } from '../../src/log-layer/store.js';
import { fileRoot } from '../../src/native/addon.js';
import { proofRefusal } from '../../src/native/segment-proof.js';
import { SEGMENT_BYTES, SEGMENT_SECTORS } from '../../src/units.js';
import { Prng } from '../support/prng.js';
import { provedSegmentsOf } from '../support/segments.js';
import { makeContent, type Content } from './oracle.js';
import { SimulatedMachine } from './simulated-machine.js';
import { Violation } from './violation.js';

const SUBMITTED = { isSubmitted: true, skipRepeated: true };
const CUTS = 4;
/** Turns of the event loop until the power fails, at most. */
const TURNS_MOST = 120;

/** Throws at a broken promise. When the power fails, and what it takes, follows from the seed. */
export async function runShardSeed(seed: number): Promise<void> {
	const machine = new SimulatedMachine({ seed });
	const prng = new Prng(seed);
	await machine.prepare();
	const { store } = await machine.start();
	const sizes = [300, 1 + prng.below(SEGMENT_BYTES), (1 + prng.below(20)) * SEGMENT_BYTES + 1 + prng.below(5000)];
	const contents = sizes.map((size) => makeContent(prng, size));
	const whole = makeContent(prng, 2 * SEGMENT_BYTES + 9);
	for (const content of contents) await sendAll(store, content);
	const session = store.files.beginUpload({ name: 'whole', contentType: '' });
	await session.write(Buffer.from(whole.bytes));
	await session.finish();
	if (prng.chance(0.5)) await store.checkpoint();
	const sectors = [...contents, whole].reduce((sum, { bytes }) => sum + Math.ceil(bytes.length / 256), 0);
	machine.maxSectors = Math.floor(sectors / 0.91);
	machine.powerCut();
	for (let cut = 0; cut < CUTS; cut++) {
		const dying = await machine.start();
		const settling = dying.store.settle().catch(() => undefined);
		for (let turns = prng.below(TURNS_MOST); turns > 0; turns--) await nextTurn();
		if (prng.chance(0.3)) await dying.store.checkpoint().catch(() => undefined);
		machine.powerCut();
		await Promise.race([settling, nextTurn()]);
	}
	const last = await machine.start();
	await last.store.settle();
	await verify(last.store, contents, whole);
	if (last.told.found > 0) throw new Violation('what was dropped is called damaged');
	await last.store.checkpoint();
	const rows = await machine.dump();
	machine.kill();
	const rebuilt = await machine.start(true);
	await rebuilt.store.settle();
	await verify(rebuilt.store, contents, whole);
	await rebuilt.store.checkpoint();
	const again = await machine.dump();
	await rebuilt.store.close();
	for (const key of new Set([...rows.keys(), ...again.keys()]))
		if (rows.get(key) !== again.get(key)) throw new Violation(`row ${key} is another one after a rebuild`);
}

/** Pays for a content, without a name, and sends its segments. */
async function sendAll(store: Store, { bytes }: Content): Promise<void> {
	const { nodes } = fileRoot(bytes);
	const submitter = new Uint8Array(20).fill(7);
	await store.settlement.submit({ lengthBytes: BigInt(bytes.length), tags: new Uint8Array(0), nodes, submitter });
	await store.files.segmentUploads.put(provedSegmentsOf(bytes), SUBMITTED);
}

async function verify(store: Store, contents: readonly Content[], whole: Content): Promise<void> {
	const { id, count } = store.files.shard;
	if (count === 1) throw new Violation('the limit was passed, and nothing was dropped');
	for (const { root, bytes } of contents) {
		const file = await store.files.fileByRoot(root);
		if (!file?.isShardHeld) throw new Violation(`${root} is not held as far as it is owned`);
		const first = Math.floor(Number(file.startSector) / SEGMENT_SECTORS);
		for (let at = 0; at < file.segments; at++) {
			const isOwned = (first + at) % count === id;
			const proved = await store.files.segmentProof(file, at).catch((error: unknown) => {
				if (error instanceof PerigeeError && error.code === 'NOT_HELD') return undefined;
				throw error;
			});
			if (isOwned !== (proved !== undefined)) throw new Violation(`segment ${at} of ${root}: owned is ${isOwned}`);
			if (!proved) continue;
			const expected = bytes.subarray(at * SEGMENT_BYTES, (at + 1) * SEGMENT_BYTES);
			if (!expected.equals(proved.data.subarray(0, expected.length))) throw new Violation(`${root} has other bytes`);
			if (proofRefusal({ root, sizeBytes: bytes.length }, at, proved.data, proved.proof, true) !== null)
				throw new Violation(`segment ${at} of ${root} has a wrong proof`);
		}
	}
	if (!(await store.files.fileByRoot(whole.root))?.finalized) throw new Violation('what came over REST is not whole');
}
