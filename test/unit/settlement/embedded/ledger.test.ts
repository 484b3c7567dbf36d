import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { keccak_256 } from '@noble/hashes/sha3.js';
import fc from 'fast-check';
import { PerigeeError } from '../../../../src/errors.js';
import { makeContext } from '../../../../src/settlement/embedded/epochs.js';
import { EMPTY_HASH } from '../../../../src/settlement/flow/hashing.js';
import { Ledger, type Transition } from '../../../../src/settlement/embedded/ledger.js';
import { decodeState, encodeState, type LedgerState } from '../../../../src/settlement/embedded/ledger-state.js';
import type { PlacedSubmission, Submission } from '../../../../src/settlement/settlement.js';
import { bytesOfHex, type FlowId, hexOf } from '../../../../src/units.js';
import { hashing, NaiveFlow, submissionOf, testGenesis } from '../support.js';

interface VectorStep {
	readonly event?: string;
	readonly length?: string;
	readonly root?: string;
	readonly seq: number;
	readonly nodes: readonly { readonly height: number; readonly root: string }[];
	readonly lengthBefore: string;
	readonly startEntryIndex: string;
	readonly paddingEntries: string;
	readonly lengthAfter: string;
	readonly flowRoot: string;
}

const vectorFile = new URL('../../../../../test/vectors/flow-tree.json', import.meta.url);
const { sequences } = JSON.parse(readFileSync(vectorFile, 'utf8')) as {
	sequences: { name: string; steps: VectorStep[] }[];
};

const ledger = new Ledger(0 as FlowId, hashing);
const genesisState = ledger.begin(testGenesis).state;

function commit(
	state: LedgerState,
	submissions: readonly Submission[],
	emptyBlocks = 0,
	timeMs = state.blockTimeMs,
): Transition {
	const draft = ledger.draft(state, emptyBlocks, timeMs);
	for (const submission of submissions) draft.add(submission);
	return draft.seal();
}

const placedOf = (transition: Transition): PlacedSubmission[] =>
	transition.events.flatMap((event) => (event.kind === 'submission' ? [event.submission] : []));
const contextsOf = (transition: Transition) =>
	transition.events.flatMap((event) => (event.kind === 'epoch' ? [event] : []));
const restart = (state: LedgerState) => decodeState(encodeState(state), hashing);

function ofStep(name: string, step: VectorStep): Submission {
	const submission = submissionOf(
		step.nodes.map((node) => node.height),
		`${name}/${step.seq}`,
	);
	assert.deepEqual(
		submission.nodes.map((node) => hexOf(node.root)),
		step.nodes.map((node) => node.root),
	);
	return submission;
}

function checkStep(placed: PlacedSubmission | undefined, step: VectorStep): void {
	assert.ok(placed);
	assert.equal(placed.txSeq, step.seq);
	assert.equal(String(placed.lengthBefore), step.lengthBefore);
	assert.equal(String(placed.startSector), step.startEntryIndex);
	assert.equal(String(placed.startSector - placed.lengthBefore), step.paddingEntries);
	assert.equal(String(placed.lengthAfter), step.lengthAfter);
	assert.equal(hexOf(placed.flowRoot), step.flowRoot);
}

test('all flow vectors: placement, lengths and roots, with a restart between all steps and from each earlier state', () => {
	assert.ok(sequences.length > 0);
	for (const { name, steps } of sequences) {
		const submissions = steps.filter((step) => step.event !== 'initial');
		const initial = steps.find((step) => step.event === 'initial');
		assert.ok(submissions.length > 0);
		if (initial) {
			assert.equal(String(genesisState.flowLength), initial.length);
			assert.equal(hexOf(genesisState.flowRoot), initial.root);
		}
		for (let from = 0; from < submissions.length; from++) {
			let state = genesisState;
			for (const step of submissions.slice(0, from)) state = commit(state, [ofStep(name, step)]).state;
			for (const step of submissions.slice(from)) {
				const transition = commit(restart(state), [ofStep(name, step)]);
				checkStep(placedOf(transition)[0], step);
				state = transition.state;
			}
			assert.equal(String(state.flowLength), submissions.at(-1)?.lengthAfter);
		}
	}
});

test('all flow vectors in one block: each submission has the flow root right after it', () => {
	for (const { name, steps } of sequences) {
		const submissions = steps.filter((step) => step.event !== 'initial');
		const transition = commit(
			genesisState,
			submissions.map((step) => ofStep(name, step)),
		);
		const placed = placedOf(transition);
		for (const [index, step] of submissions.entries()) checkStep(placed[index], step);
		assert.equal(hexOf(transition.state.flowRoot), submissions.at(-1)?.flowRoot);
	}
});

const heightLists = fc
	.tuple(fc.nat(13), fc.integer({ min: 1, max: 15 }))
	.map(([top, mask]) => [0, 1, 2, 3].filter((bit) => (mask >> bit) & 1).map((bit) => top - bit))
	.filter((heights) => heights.length > 0 && heights.every((height) => height >= 0));

test('random submissions: placement and roots equal the naive full tree, however they are split into blocks', () => {
	const blocks = fc.array(fc.array(heightLists, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 6 });
	fc.assert(
		fc.property(blocks, (drawn) => {
			const naive = new NaiveFlow();
			let state = genesisState;
			for (const [number, block] of drawn.entries()) {
				const submissions = block.map((heights, index) => submissionOf(heights, `${number}/${index}`));
				const transition = commit(state, submissions);
				for (const placed of placedOf(transition)) {
					assert.equal(placed.startSector, naive.add(placed.nodes));
					assert.equal(placed.lengthAfter, naive.length);
					assert.deepEqual(Buffer.from(placed.flowRoot), Buffer.from(naive.root()));
				}
				state = restart(transition.state);
				assert.deepEqual(Buffer.from(state.flowRoot), Buffer.from(naive.root()));
			}
		}),
		{ numRuns: 60 },
	);
});

test('a placed submission names its block, its sequence, its identity and its data root', () => {
	const first = commit(genesisState, [submissionOf([0])]);
	const { state } = first;
	const [placed] = placedOf(commit(state, [submissionOf([2, 1])], 3, state.blockTimeMs + 99));
	assert.ok(placed);
	const [left, right] = placed.nodes.map((node) => node.root);
	assert.ok(left && right);
	const both = keccak_256(Buffer.concat([left, right]));
	assert.equal(placed.txSeq, 1);
	assert.equal(placed.blockNumber, state.blockNumber + 4);
	assert.equal(placed.timeMs, state.blockTimeMs + 99);
	assert.deepEqual(Buffer.from(placed.identity), Buffer.from(both));
	assert.equal(placed.dataRoot, hexOf(both));
});

test('an invalid submission leaves the draft as it was', () => {
	const draft = ledger.draft(genesisState, 0, genesisState.blockTimeMs);
	draft.add(submissionOf([1], 'a'));
	assert.throws(() => draft.add({ ...submissionOf([1]), lengthBytes: 0n }), { code: 'SUBMISSION_INVALID' });
	draft.add(submissionOf([1], 'b'));
	assert.deepEqual(draft.seal(), commit(genesisState, [submissionOf([1], 'a'), submissionOf([1], 'b')]));
});

/** A journal with blocks, runs and epochs, from a seed. */
function journalOf(seed: number, entries: number): Uint8Array[] {
	const transitions = [ledger.begin(testGenesis)];
	for (let index = 0; index < entries; index++) {
		const state = transitions.at(-1)?.state ?? genesisState;
		const draw = (seed * 31 + index * 17) % 23;
		const heights = Array.from({ length: draw % 4 }, (_, at) => [(draw + at) % 12]);
		const submissions = heights.map((list, at) => submissionOf(list, `${seed}/${index}/${at}`));
		const empty = submissions.length === 0 ? 1 + draw * 3 : draw % 5;
		transitions.push(commit(state, submissions, empty, state.blockTimeMs + draw * 1000));
	}
	return transitions.map((transition) => transition.entry);
}

test('the same journal gives the same states and events, from its start and from a saved state in its middle', () => {
	const entries = journalOf(5, 40);
	const full: Transition[] = [];
	for (const entry of entries) full.push(ledger.apply(full.at(-1)?.state, entry));
	for (const middle of [1, 13, 39]) {
		let state = restart(full[middle]?.state ?? genesisState);
		for (const [offset, entry] of entries.slice(middle + 1).entries()) {
			const again = ledger.apply(state, entry);
			assert.deepEqual(encodeState(again.state), encodeState(full[middle + 1 + offset]?.state ?? genesisState));
			assert.deepEqual(again.events, full[middle + 1 + offset]?.events);
			assert.deepEqual(again.entry, entry);
			state = again.state;
		}
	}
});

test('a replay stops where an entry is missing, repeated, invalid or leads to another state', () => {
	const entries = journalOf(7, 6);
	const states: LedgerState[] = [];
	for (const entry of entries) states.push(ledger.apply(states.at(-1), entry).state);
	const refuses = (state: LedgerState | undefined, entry: Uint8Array | undefined, message: RegExp) =>
		assert.throws(() => ledger.apply(state, entry ?? new Uint8Array(0)), { code: 'FORMAT_UNKNOWN', message });
	refuses(states[1], entries[3], /follows block/);
	refuses(states[3], entries[3], /follows block/);
	refuses(undefined, entries[1], /not a genesis/);
	refuses(states[1], entries[0], /second genesis/);
	for (const entry of entries.slice(1)) {
		const changed = entry.slice();
		changed[entry.length - 1] = (changed.at(-1) ?? 0) ^ 1;
		refuses(states[entries.indexOf(entry) - 1], changed, /the entry says/);
	}
	const state = states[0] ?? genesisState;
	const bad = commit(state, [submissionOf([0])]).entry.slice();
	bad.fill(0, 24, 32);
	refuses(state, bad, /a submission of block 1 is invalid/);
	const other = new Ledger(0 as FlowId, { ...hashing, flowRoot: () => EMPTY_HASH });
	assert.throws(() => decodeState(encodeState(state), other.hashing), /frontier does not match/);
});

test('time does not go back, runs are bounded, and an entry has blocks', () => {
	const { state } = commit(genesisState, [submissionOf([0])]);
	const refuses = (run: () => unknown, message: RegExp) => assert.throws(run, { code: 'FORMAT_UNKNOWN', message });
	refuses(() => commit(state, [submissionOf([0])], 0, state.blockTimeMs - 1), /time goes back/);
	refuses(() => commit(state, []), /without blocks/);
	refuses(() => commit(state, [], 10_241), /at most 10240/);
	assert.equal(contextsOf(commit(state, [], 10_240)).length, 1024);
});

test('an epoch begins in the block behind its boundary, over the flow before that block', () => {
	let state = genesisState;
	assert.deepEqual(state.context, {
		epoch: 0,
		mineStart: 0,
		flowRoot: EMPTY_HASH,
		flowLength: 1n,
		blockDigest: EMPTY_HASH,
		digest: EMPTY_HASH,
	});
	for (let number = 1; number <= 10; number++) {
		const transition = commit(state, [submissionOf([0], `${number}`)]);
		assert.deepEqual(contextsOf(transition), []);
		state = transition.state;
	}
	const eleventh = commit(state, [submissionOf([4])]);
	const [made, ...more] = contextsOf(eleventh);
	assert.equal(more.length, 0);
	const lengthWord = Buffer.alloc(32);
	lengthWord.writeBigUInt64BE(state.flowLength, 24);
	assert.deepEqual(made?.context, {
		epoch: 1,
		mineStart: 10,
		flowRoot: state.flowRoot,
		flowLength: state.flowLength,
		blockDigest: state.blockHash,
		digest: Uint8Array.from(keccak_256(Buffer.concat([state.blockHash, state.flowRoot, lengthWord]))),
	});
	assert.equal(made?.rangeStart, 0n);
	assert.deepEqual(
		eleventh.events.map((event) => event.kind),
		['epoch', 'submission', 'progress'],
	);
	assert.deepEqual(eleventh.state.context, made?.context);
	assert.deepEqual(eleventh.state.rootHistory.roots, state.flowRoot);
});

test('a context digest is that of the vectors (pora.json, context)', () => {
	const blockDigest = bytesOfHex('0x3a0d4b7963d4500b029831e694a9ce82789701a5627c164ee05056d83c13d17b');
	const root = bytesOfHex('0x15cf26ae8d109a4b85b9cac1e1b430fff363842b6f56bcd0b8f2ae05863b2ac0');
	const { digest } = makeContext(1, 10, blockDigest, { root, length: 67_108_864n }, hashing);
	assert.equal(hexOf(digest), '0x7ca23f258ae92a8b4ffadf55735ecde2bfcb0af69099defdb20b8f40240a3972');
});

test('a run of empty blocks makes every context it passes: ranges tile the flow and digests differ', () => {
	const filled = commit(genesisState, [submissionOf([9])]);
	const run = commit(filled.state, [], 95);
	const epochs = contextsOf(run);
	assert.deepEqual(
		epochs.map(({ context }) => [context.epoch, context.mineStart]),
		Array.from({ length: 9 }, (_, index) => [index + 1, (index + 1) * 10]),
	);
	const ranges = epochs.map(({ rangeStart, context }) => [rangeStart, context.flowLength]);
	assert.deepEqual(ranges[0], [0n, filled.state.flowLength]);
	for (const range of ranges.slice(1)) assert.deepEqual(range, [filled.state.flowLength, filled.state.flowLength]);
	assert.equal(new Set(epochs.map(({ context }) => hexOf(context.digest))).size, 9);
	assert.equal(run.state.blockNumber, 96);
	assert.equal(run.state.epochStart, filled.state.flowLength);
	assert.equal(run.state.rootHistory.inserted, 9);
});

test('a block that ends a run makes the contexts of the run before its own submissions', () => {
	const mixed = commit(genesisState, [submissionOf([3])], 10);
	assert.deepEqual(
		mixed.events.map((event) => event.kind),
		['epoch', 'submission', 'progress'],
	);
	assert.equal(mixed.state.blockNumber, 11);
	assert.equal(mixed.state.context.flowLength, 1n);
	assert.equal(mixed.state.context.mineStart, 10);
	const onBoundary = commit(genesisState, [submissionOf([3])], 9);
	assert.deepEqual(
		onBoundary.events.map((event) => event.kind),
		['submission', 'progress'],
	);
	const next = commit(onBoundary.state, [], 1);
	assert.deepEqual(contextsOf(next)[0]?.context.blockDigest, onBoundary.state.blockHash);
});

test('the history of roots is a ring of 1,000', () => {
	let { state } = commit(genesisState, [submissionOf([0])]);
	const firstRoot = state.flowRoot;
	state = commit(state, [submissionOf([0], 'next')], 9_990).state;
	assert.equal(state.rootHistory.inserted, 999);
	state = commit(state, [], 20).state;
	assert.equal(state.rootHistory.inserted, 1001);
	assert.equal(state.rootHistory.roots.length, 32_000);
	assert.deepEqual(state.rootHistory.roots.slice(0, 32), state.flowRoot);
	assert.deepEqual(state.rootHistory.roots.slice(32, 64), firstRoot);
	assert.deepEqual(restart(state), state);
	// One long run at once gives the same as its parts.
	const { state: base } = commit(genesisState, [submissionOf([0])]);
	assert.deepEqual(
		commit(base, [], 10_240).state.rootHistory.roots,
		new Uint8Array(Buffer.alloc(32_000, base.flowRoot)),
	);
});

test('a saved state that was cut, lengthened or changed is refused, or has another hash', () => {
	const { state } = commit(genesisState, [submissionOf([5, 4, 3])], 47);
	const bytes = encodeState(state);
	for (let length = 0; length < bytes.length; length++) {
		assert.throws(() => decodeState(bytes.subarray(0, length), hashing), { code: 'FORMAT_UNKNOWN' });
	}
	assert.throws(() => decodeState(Buffer.concat([bytes, Buffer.of(0)]), hashing), { code: 'FORMAT_UNKNOWN' });
	for (let at = 0; at < bytes.length; at++) {
		const changed = bytes.slice();
		changed[at] = (changed[at] ?? 0) ^ 0x40;
		try {
			assert.notDeepEqual(decodeState(changed, hashing).stateHash, state.stateHash);
		} catch (error) {
			assert.ok(error instanceof PerigeeError && error.code === 'FORMAT_UNKNOWN', String(error));
		}
	}
});

test('any bytes given as an entry are refused with FORMAT_UNKNOWN', () => {
	const valid = journalOf(3, 3);
	const states: LedgerState[] = [];
	for (const entry of valid) states.push(ledger.apply(states.at(-1), entry).state);
	const refused = (state: LedgerState | undefined, bytes: Uint8Array) =>
		assert.throws(() => ledger.apply(state, bytes), { code: 'FORMAT_UNKNOWN' });
	fc.assert(
		fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => refused(genesisState, bytes)),
		{ numRuns: 1000 },
	);
	fc.assert(
		fc.property(fc.nat(3), fc.nat(), fc.integer({ min: 1, max: 255 }), (which, at, flip) => {
			const entry = (valid[which] ?? new Uint8Array(1)).slice();
			entry[at % entry.length] = (entry[at % entry.length] ?? 0) ^ flip;
			refused(states[which - 1], entry);
		}),
		{ numRuns: 1000 },
	);
});
