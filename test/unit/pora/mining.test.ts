/** Mining on a real store, with real threads: its answers, why it mines or does not, and what it does about copies that are wrong. */
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { systemClock } from '../../../src/io/clock.js';
import { systemRandomness } from '../../../src/io/randomness.js';
import { HealingStore } from '../../../src/log-layer/healing-store.js';
import { logChecksums } from '../../../src/log-layer/log-checksums.js';
import { keccak256, verifyAnswer, type PoraAnswer } from '../../../src/native/addon.js';
import { Mining } from '../../../src/pora/mining.js';
import type { MiningState } from '../../../src/pora/mining-status.js';
import { wordOf } from '../../../src/pora/range.js';
import type { MiningSettings } from '../../../src/pora/session.js';
import type { MiningWork } from '../../../src/settlement/mining.js';
import { SEGMENT_SECTORS } from '../../../src/units.js';
import { BENEFICIARY, MINER, ownerOf, testMining, type TestMining } from '../../support/mining-settlement.js';
import { openTestEmbedded } from '../../support/open-embedded.js';
import { Prng } from '../../support/prng.js';
import { put, useTestStores, type TestStore, type TestStoreOptions } from '../../support/test-store.js';

const stores = useTestStores();
const prng = new Prng(0x3157);
const MOST = 2n ** 256n - 1n;
/** So many seals are tried for an answer. */
const DIFFICULTY = 200n;
const SETTINGS: MiningSettings = { cpuPercent: 100, pollMs: 20, sealTranquility: 0, sealsZeros: true };

interface Running {
	readonly store: TestStore;
	readonly mining: TestMining;
	readonly control: Mining;
	readonly standings: MiningState[];
	/** Why answers were not accepted. */
	readonly reasons: string[];
	/** An epoch over the flow as it is now. */
	beginEpoch(): MiningWork;
	stop(): Promise<void>;
}

/** What a failed test has left running. */
const running = new Set<() => Promise<void>>();
afterEach(async () => {
	for (const stop of running) await stop();
});

async function start(
	options: TestStoreOptions = {},
	settings: Partial<MiningSettings> = {},
	before: (mining: TestMining) => void = () => undefined,
): Promise<Running> {
	const mining = testMining();
	before(mining);
	const store = await stores.open({ ...options, makeSettlement: openTestEmbedded(mining) });
	const healing = await HealingStore.open({
		open: () => Promise.resolve(store),
		clock: systemClock,
		observer: { healing: () => undefined, healed: () => undefined, failed: (error) => assert.fail(String(error)) },
	});
	for (const size of [1000, 300_000, 700_000]) await put(store, prng.bytes(size));
	const standings: MiningState[] = [];
	const reasons: string[] = [];
	const control = new Mining({
		healing,
		clock: systemClock,
		randomness: systemRandomness,
		settings: { ...SETTINGS, ...settings },
		threads: 1,
		startSector: 0n,
		observer: {
			standing: (state) => void standings.push(state),
			registered: () => undefined,
			changed: () => undefined,
			answered: (outcome) => void ('reason' in outcome && reasons.push(outcome.reason)),
			sealing: { sealed: () => undefined, outdated: () => undefined, trouble: () => undefined },
		},
	});
	let epoch = 0;
	const beginEpoch = (): MiningWork => {
		const { lengthSectors, root } = store.files.flow();
		const start = mining.owners.at(-1)?.end ?? 0n;
		const digest = keccak256(Buffer.from(`epoch ${++epoch}`));
		if (lengthSectors > start) mining.owners.push({ start, end: lengthSectors, digest });
		const blockDigest = new Uint8Array(32);
		const work = {
			context: { epoch, mineStart: epoch * 10, flowRoot: root, flowLength: lengthSectors, blockDigest, digest },
			poraTarget: MOST / DIFFICULTY,
			subtaskDigest: keccak256(digest),
			maxShards: 4n,
		};
		mining.now = { work };
		return work;
	};
	const stop = async (): Promise<void> => {
		if (!running.delete(stop)) return;
		await control.close();
		await healing.close();
	};
	running.add(stop);
	return {
		store,
		mining,
		control,
		standings,
		reasons,
		beginEpoch,
		stop,
	};
}

async function until(what: () => boolean, why: string): Promise<void> {
	for (let tries = 0; !what(); tries++) {
		assert.ok(tries < 1000, why);
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
}

async function untilState({ control }: Running, state: MiningState): Promise<void> {
	await until(
		() => control.status().state === state,
		`never ${state}: ${control.status().state}, ${control.status().reason}`,
	);
}

function refusalOf(answer: PoraAnswer, work: MiningWork, { owners }: TestMining): string | undefined {
	const owner = owners.find(({ digest }) => Buffer.compare(digest, answer.sealedContextDigest) === 0);
	return verifyAnswer(answer, {
		contextDigest: work.context.digest,
		flowRoot: work.context.flowRoot,
		flowLength: work.context.flowLength,
		subtaskDigest: work.subtaskDigest,
		poraTarget: wordOf(work.poraTarget),
		maxShards: work.maxShards,
		sealedStart: owner?.start ?? 0n,
		sealedEnd: owner?.end ?? 0n,
		isFull: false,
	}).refusal;
}

describe('mining', () => {
	it('finds answers that the rules take, of this epoch and of seals of earlier ones, while the flow grows', async () => {
		const running = await start();
		const { store, mining, control } = running;
		running.beginEpoch();
		await untilState(running, 'mining');
		await until(() => mining.answers.length > 0, 'no answer');
		await put(store, prng.bytes(900_000));
		const work = running.beginEpoch();
		// The proofs are those of the epoch's flow, whatever came since.
		await put(store, prng.bytes(400_000));
		const isNew = ({ contextDigest }: PoraAnswer): boolean => Buffer.compare(contextDigest, work.context.digest) === 0;
		await until(
			() =>
				new Set(mining.answers.filter(isNew).map(({ sealedContextDigest }) => String(sealedContextDigest))).size > 1,
			'no answers with seals of two epochs',
		);
		for (const answer of mining.answers.filter(isNew)) assert.equal(refusalOf(answer, work, mining), undefined);
		const { totals, sealing, minerId, beneficiary, rewardsWaiting, noncesPerSecond } = control.status();
		assert.deepEqual([totals.accepted, totals.refused], [mining.answers.length, 0]);
		assert.equal(totals.rewards, 5n * BigInt(totals.accepted));
		assert.ok(totals.nonces > 0n && totals.qualities >= totals.nonces && totals.reads > 0n && noncesPerSecond > 0);
		assert.equal(BigInt(sealing.segments), work.context.flowLength / BigInt(SEGMENT_SECTORS));
		assert.deepEqual([minerId, beneficiary, rewardsWaiting], [MINER, BENEFICIARY, 5n]);
		assert.equal(Buffer.compare(store.minerSetting.current ?? new Uint8Array(0), MINER), 0);
		await running.stop();
		assert.equal(
			new Set(mining.answers.map(({ nonce, sealOffset }) => `${String(nonce)} ${sealOffset}`)).size,
			mining.answers.length,
		);
	});

	it('says why it does not mine', async () => {
		const running = await start({}, {}, (mining) => {
			mining.account = undefined;
		});
		const { mining, control } = running;
		await untilState(running, 'noKey');
		const { beneficiary } = mining;
		mining.beneficiary = () => Promise.resolve(undefined);
		mining.account = BENEFICIARY;
		await untilState(running, 'unregistered');
		mining.beneficiary = beneficiary;
		await untilState(running, 'noContext');
		for (const [none, state] of [
			['lagging', 'lagging'],
			['version', 'version'],
		] as const) {
			mining.now = { none, message: 'because' };
			await untilState(running, state);
			assert.equal(control.status().reason, 'because');
		}
		mining.now = { none: 'noWindow', message: 'later' };
		await untilState(running, 'noSegment');
		const work = running.beginEpoch();
		await untilState(running, 'mining');
		for (const [none, state] of [
			['noWindow', 'noWindow'],
			['quota', 'quota'],
		] as const) {
			mining.now = { none, message: 'because' };
			await untilState(running, state);
		}
		mining.now = { work: { ...work, maxShards: 0n } };
		await untilState(running, 'tooManyShards');
		mining.now = { work: { ...work, context: { ...work.context, flowLength: 1000n } } };
		await untilState(running, 'noSegment');
		mining.now = { work };
		await untilState(running, 'mining');
		control.stop();
		assert.equal(control.status().state, 'stopped');
		const { nonces } = control.status().totals;
		control.start();
		await untilState(running, 'mining');
		await until(() => control.status().totals.nonces > nonces, 'it does not go on');
		mining.work = () => Promise.reject(new Error('nobody answers'));
		await untilState(running, 'lagging');
		assert.equal(control.status().reason, 'nobody answers');
		await running.stop();
	});

	it('ends with an epoch in which answers are refused, and goes on with the next one', async () => {
		const running = await start();
		const { mining, control } = running;
		mining.outcome = () => ({ kind: 'refused', reason: 'Inconsistent merkle root', gasSpent: 3n });
		running.beginEpoch();
		await untilState(running, 'rejected');
		const { totals, lastRefusal, reason } = control.status();
		assert.ok(totals.refused >= 3 && totals.accepted === 0);
		assert.equal(totals.gasSpent, 3n * BigInt(totals.refused));
		assert.equal(lastRefusal?.reason, 'Inconsistent merkle root');
		assert.match(reason, /Inconsistent merkle root/);
		mining.outcome = () => ({ kind: 'accepted', epochIndex: 0n, reward: 1n, gasSpent: 0n });
		running.beginEpoch();
		await untilState(running, 'mining');
		await until(() => control.status().totals.accepted > 0, 'no answer in the new epoch');
		await running.stop();
	});

	it('sends nothing of copies that are wrong, and makes them anew', async () => {
		const running = await start();
		const { store, mining, control } = running;
		running.beginEpoch();
		await untilState(running, 'mining');
		const segments = control.status().sealing.segments;
		const indices = Array.from({ length: segments }, (_, index) => BigInt(index));
		mining.now = { none: 'noWindow', message: 'wait' };
		await untilState(running, 'noWindow');
		// Each copy gets bytes that were never sealed so, and checksums that fit them.
		const found = await store.sealed.find(indices);
		for (const [at, copy] of found.entries()) {
			assert.ok(copy);
			const plain = await store.sealed.plain(BigInt(at));
			const { minerId, seals, contexts } = copy;
			const bytes = prng.bytes(262_144);
			await store.sealed.write([{ plain, minerId, seals, contexts, bytes, blockCrcs: logChecksums.blockCrcs(bytes) }]);
		}
		// The map learns of them as it does of what compaction moves.
		await store.log.roll('sealed');
		await store.compaction.start({ everything: true });
		await store.compaction.settled();
		mining.answers.length = 0;
		const work = running.beginEpoch();
		await until(() => mining.answers.length > 5, 'copies are not made anew');
		for (const answer of mining.answers) assert.equal(refusalOf(answer, work, mining), undefined);
		assert.ok(running.reasons.includes('our own verifier refuses it: Inconsistent merkle root'));
		assert.equal(control.status().totals.refused, 0);
		await running.stop();
	});

	it('rests as long as it is told to', async () => {
		const running = await start({}, { cpuPercent: 50 });
		running.beginEpoch();
		await untilState(running, 'throttled');
		assert.match(running.control.status().reason, /50 %/);
		await until(() => running.control.status().totals.accepted > 0, 'no answer');
		await running.stop();
	});

	it('keeps the miner that it has, and mines for the configured one', async () => {
		const first = await start();
		first.beginEpoch();
		await untilState(first, 'mining');
		await first.stop();
		const other = ownerOf(0n, 1n).digest;
		const second = await start({}, { minerId: other });
		second.mining.register = () => Promise.reject(new Error('there is one'));
		second.beginEpoch();
		await untilState(second, 'mining');
		await until(() => second.mining.answers.length > 0, 'no answer');
		assert.deepEqual(second.mining.answers[0]?.minerId, other);
		await second.stop();
	});
});
