/** The real process under kill -9. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { runKills } from './kills.js';

const KILLS = 20;

it(`after each of ${KILLS} kills during uploads and deletions every acknowledged file is served byte for byte, or gone if that was answered, and no other is half there`, async (t) => {
	const outcome = await runKills({ seed: 1, kills: KILLS });
	t.diagnostic(JSON.stringify(outcome));
	assert.equal(outcome.kills, KILLS);
	assert.ok(outcome.acknowledged > KILLS, `${outcome.acknowledged} acknowledged uploads`);
	assert.ok(outcome.deleted > 0, 'nothing was ever deleted');
	assert.ok(outcome.absent + outcome.completeUnanswered > 0, 'no upload was ever cut off');
});
