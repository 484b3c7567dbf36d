/** The real process on a real chain under kill -9. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { runChainKills } from './chain-kills.js';

const KILLS = 20;

it(`killed ${KILLS} times on a chain that takes blocks back, a node has every segment that it has answered for, and has paid once for each upload`, async (t) => {
	const outcome = await runChainKills({ seed: 1, kills: KILLS });
	t.diagnostic(JSON.stringify(outcome));
	assert.equal(outcome.kills, KILLS);
	assert.ok(outcome.answeredCalls > KILLS, `${outcome.answeredCalls} calls`);
	assert.ok(outcome.answeredUploads > KILLS / 4, `${outcome.answeredUploads} uploads`);
	assert.ok(outcome.reorgs > 0);
});
