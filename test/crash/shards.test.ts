/** Power cuts while a store drops what its shard does not own any more. */
import { describe, it } from 'node:test';
import { runShardSeed } from './shard-life.js';

const SEEDS = 24;

describe('a store that doubles its shards over power cuts', () => {
	for (let seed = 1; seed <= SEEDS; seed++) it(`seed ${seed}`, () => runShardSeed(seed));
});
