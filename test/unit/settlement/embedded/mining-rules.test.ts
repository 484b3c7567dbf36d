/** The arithmetic of mining on an embedded ledger, by the vectors of the specification. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { adjustedTarget } from '../../../../src/settlement/embedded/mining/difficulty.js';
import { miningParams } from '../../../../src/settlement/embedded/mining/params.js';
import {
	claimed,
	PRICING_SECTORS,
	sharesOf,
	withShares,
} from '../../../../src/settlement/embedded/mining/reward-pools.js';
import { registered } from '../../../../src/settlement/embedded/mining/rules.js';
import { firstMiningState } from '../../../../src/settlement/embedded/mining/state.js';
import { firstContext } from '../../../../src/settlement/embedded/epochs.js';
import { bytesOfHex, hexOf } from '../../../../src/units.js';
import { hashing } from '../support.js';

type Texts = Readonly<Record<string, string>>;

interface Vectors {
	readonly difficulty_adjust: {
		readonly entries: readonly (Texts & { ratio: number; target_submissions: number; current_submissions: number })[];
	};
	readonly linear_reward: { readonly entries: readonly (Texts & { result: Texts })[] };
	readonly fees: {
		readonly entries: readonly (Texts & {
			fills: readonly { adds: readonly { pricing_index: string; amount: string; finalized: boolean }[] }[];
		})[];
	};
	readonly miner_id: readonly Texts[];
}

const PATH = join(import.meta.dirname, '..', '..', '..', '..', '..', 'test', 'vectors', 'pora.json');
const vectors = JSON.parse(readFileSync(PATH, 'utf8')) as Vectors;
const big = (text: string | undefined): bigint => BigInt(text ?? '');

describe('mining by the vectors', () => {
	it('adjusts the difficulty', () => {
		for (const entry of vectors.difficulty_adjust.entries) {
			const rule = {
				adjustRatio: entry.ratio,
				targetSubmissions: entry.target_submissions,
				minDifficulty: big(entry['min_difficulty']),
			};
			const target = adjustedTarget(big(entry['pora_target']), entry.current_submissions, rule);
			assert.equal(String(target), entry['new_target']);
		}
	});

	it('releases rewards over time, and pays half of what is open', () => {
		for (const entry of vectors.linear_reward.entries) {
			const before = {
				locked: big(entry['locked']),
				claimable: big(entry['claimable']),
				distributed: big(entry['distributed']),
				startSeconds: 1_000n,
			};
			const now = 1_000n + big(entry['seconds_since_start']);
			const { pool, released, paid } = claimed(before, now, big(entry['release_seconds']));
			const { locked, claimable, distributed } = pool;
			const texts = Object.entries({ released, paid, locked, claimable, distributed }).map(([key, value]) => [
				key,
				String(value),
			]);
			assert.deepEqual(Object.fromEntries(texts), entry.result);
		}
		const open = { locked: 1_000n, claimable: 0n, distributed: 0n, startSeconds: 0n };
		assert.equal(claimed(open, 10n ** 9n, 1n).paid, 0n, 'a chunk that is not full pays nothing');
	});

	it('shares fees among the pricing chunks', () => {
		// This ledger takes no part of the fees for itself.
		const entries = vectors.fees.entries.filter((entry) => entry['service_fee_bps'] === '0');
		assert.equal(entries.length, 2);
		for (const entry of entries) {
			const fee = {
				lengthBefore: big(entry['previous_length']),
				padding: big(entry['padding_sectors']),
				upload: big(entry['upload_sectors']),
				pricePerSector: big(entry['price_per_sector']),
			};
			const expected = entry.fills.flatMap(({ adds }) =>
				adds.map(({ pricing_index, amount, finalized }) => ({
					index: big(pricing_index),
					amount: big(amount),
					isFull: finalized,
				})),
			);
			assert.deepEqual(sharesOf(fee), expected);
		}
		const fee = { lengthBefore: PRICING_SECTORS - 4n, padding: 0n, upload: 8n, pricePerSector: 10n };
		const pools = withShares(new Map(), sharesOf(fee), 77n);
		assert.deepEqual(
			[...pools.values()].map(({ locked, startSeconds }) => [locked, startSeconds]),
			[
				[40n, 77n],
				[40n, 0n],
			],
		);
		assert.equal(
			withShares(new Map(), sharesOf({ ...fee, pricePerSector: 0n }), 77n).size,
			0,
			'nothing paid, nothing kept',
		);
	});

	it('makes miner ids', () => {
		const choices = { difficulty: 1n, mineBlocks: 1, targetSubmissions: 1, maxShards: 1, baseReward: 0n };
		const state = firstMiningState(miningParams(choices), 0, 0);
		for (const entry of vectors.miner_id) {
			const parentHash = bytesOfHex(entry['previous_block_hash'] ?? '');
			const block = { tick: 1, parentHash, timeMs: 0, context: firstContext() };
			const asked = { beneficiary: bytesOfHex(entry['sender'] ?? ''), seed: big(entry['seed']) };
			const made = registered(state, asked, block, hashing);
			assert.ok('id' in made);
			assert.equal(hexOf(made.id), entry['miner_id']);
			assert.deepEqual(registered(made.state, asked, block, hashing), { refusal: 'MinerId has registered' });
		}
	});
});
