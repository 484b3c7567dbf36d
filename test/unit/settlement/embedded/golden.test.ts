/**
 * The golden journal: entries that a first version wrote. Later versions must read them, come to the same state hashes, and write the
 * same bytes. When the entries' format grows, add a file; never change this one. PERIGEE_WRITE_GOLDEN=1 writes it when it is missing.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { Ledger, type Transition } from '../../../../src/settlement/embedded/ledger.js';
import { decodeState, encodeState, type LedgerState } from '../../../../src/settlement/embedded/ledger-state.js';
import { encodeLedgerEntry, encodeSetting, encodeUpload } from '../../../../src/settlement/journal-records.js';
import { bytesOfHex, type FlowId, hexOf, rootFromBytes, type TxSeq } from '../../../../src/units.js';
import { hashing, submissionOf, testGenesis } from '../support.js';

interface GoldenJournal {
	readonly entries: readonly {
		readonly what: string;
		readonly entry: string;
		readonly stateHash: string;
		readonly blockHash: string;
		readonly flowRoot: string;
		readonly contextDigest: string;
		readonly events: readonly string[];
	}[];
	/** Saved state after the last entry but one. */
	readonly savedState: string;
	readonly records: readonly { readonly what: string; readonly type: number; readonly body: string }[];
}

const file = fileURLToPath(new URL('../../../../../test/golden/ledger-1.json', import.meta.url));
const ledger = new Ledger(0 as FlowId, hashing);

function writeJournal(): { what: string; transition: Transition }[] {
	const written = [{ what: 'genesis', transition: ledger.begin({ ...testGenesis, pricePerSector: 1n << 70n }) }];
	const next = (what: string, emptyBlocks: number, seconds: number, heights: number[][], tags = '') => {
		const before = written.at(-1)?.transition.state as LedgerState;
		const draft = ledger.draft(before, emptyBlocks, before.blockTimeMs + seconds * 1000);
		for (const [index, list] of heights.entries()) {
			const submission = submissionOf(list, `golden/${written.length}/${index}`);
			draft.add({ ...submission, lengthBytes: submission.lengthBytes - 1n, tags: Buffer.from(tags) });
		}
		written.push({ what, transition: draft.seal() });
	};
	next('one sector', 0, 1, [[0]]);
	next('three submissions, one of them across segments, with tags', 0, 2, [[3, 2, 1], [10, 7], [0]], 'tags');
	next('five empty blocks', 5, 25, []);
	next('empty blocks over an epoch boundary, then a submission', 6, 31, [[14, 12, 11]]);
	next('a long pause: many epochs', 400, 2000, []);
	next('the first block behind it', 0, 0, [[4, 3, 2, 1]]);
	next('more than 1,000 epochs: the ring turns', 10_240, 51_200, []);
	return written;
}

function describe(): GoldenJournal {
	const journal = writeJournal();
	const saved = journal.at(-2)?.transition.state as LedgerState;
	const root = rootFromBytes(new Uint8Array(32).fill(0xab));
	const ids = { flowId: 0 as FlowId, txSeq: 70_000 as TxSeq };
	const records = [
		{ what: 'ledger entry', ...encodeLedgerEntry({ flowId: 2 as FlowId, entry: Uint8Array.of(9, 8, 7) }) },
		{
			what: 'upload',
			...encodeUpload({ ...ids, root, timeMs: 1_700_000_000_123, name: 'né.txt', contentType: 'text/plain' }),
		},
		{ what: 'setting', ...encodeSetting({ key: 'flow/0', value: Uint8Array.of(1, 2) }) },
	];
	return {
		entries: journal.map(({ what, transition: { entry, state, events } }) => ({
			what,
			entry: hexOf(entry),
			stateHash: hexOf(state.stateHash),
			blockHash: hexOf(state.blockHash),
			flowRoot: hexOf(state.flowRoot),
			contextDigest: hexOf(state.context.digest),
			events: events.slice(0, 8).map((event) => event.kind),
		})),
		savedState: hexOf(encodeState(saved)),
		records: records.map(({ what, type, payload }) => ({ what, type, body: hexOf(payload) })),
	};
}

if (process.env['PERIGEE_WRITE_GOLDEN'] === '1' && !existsSync(file)) {
	writeFileSync(file, `${JSON.stringify(describe(), null, '\t')}\n`);
}
const golden = JSON.parse(readFileSync(file, 'utf8')) as GoldenJournal;

test('the golden journal replays to its state hashes, block hashes, roots and contexts', () => {
	assert.ok(golden.entries.length > 0);
	const states: LedgerState[] = [];
	for (const { what, entry, ...expected } of golden.entries) {
		const transition: Transition = ledger.apply(states.at(-1), bytesOfHex(entry));
		const { state } = transition;
		states.push(state);
		const actual = {
			stateHash: hexOf(state.stateHash),
			blockHash: hexOf(state.blockHash),
			flowRoot: hexOf(state.flowRoot),
			contextDigest: hexOf(state.context.digest),
			events: transition.events.slice(0, 8).map((event) => event.kind),
		};
		assert.deepEqual(actual, expected, what);
	}
	const saved = states.at(-2);
	assert.ok(saved);
	assert.equal(hexOf(encodeState(saved)), golden.savedState);
	const [last] = golden.entries.slice(-1);
	const again = ledger.apply(decodeState(bytesOfHex(golden.savedState), hashing), bytesOfHex(last?.entry ?? '0x'));
	assert.equal(hexOf(again.state.stateHash), last?.stateHash);
});

test('the same inputs still write the bytes of the golden journal', () => {
	assert.deepEqual(describe(), golden);
});
