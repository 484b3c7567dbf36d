/** The real process under kill -9. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { runKills } from './kills.js';

const KILLS = 20;

it(`after each of ${KILLS} kills under mixed load every acknowledged file is served byte for byte, no deleted one is, and no other is half there`, async (t) => {
	const outcome = await runKills({ seed: 1, kills: KILLS });
	t.diagnostic(JSON.stringify(outcome));
	assert.ok(outcome.kills >= KILLS);
	assert.ok(outcome.acknowledged > KILLS, `${outcome.acknowledged} acknowledged uploads`);
	assert.ok(outcome.deleted > 0, 'nothing was ever deleted');
	assert.ok(outcome.startsKilled > 0 && outcome.stopsKilled > 0, 'no start or stop was ever cut off');
	assert.ok(outcome.absent + outcome.completeUnanswered > 0, 'no upload was ever cut off');
});
