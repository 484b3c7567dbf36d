/** The real process under a steady mixed load; the long form is `npm run reliability -- --only soak`. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { runSoak, SOAK_WINDOWS, windowText } from './soak.js';

const SECONDS = 18;
/** Handles may come with tables of the view and log files, not with requests. */
const FURTHER_HANDLES = 16;

it(`${SECONDS} seconds of mixed load: every answer is right and no handle is left open`, async (t) => {
	const { windows, ...counts } = await runSoak({ seed: 1, seconds: SECONDS });
	for (const window of windows) t.diagnostic(windowText(window));
	t.diagnostic(JSON.stringify(counts));
	assert.equal(windows.length, SOAK_WINDOWS);
	assert.ok(counts.operations > 200 && counts.uploads > 50, JSON.stringify(counts));
	const [first, last] = [windows[1], windows.at(-1)];
	assert.ok(first && last && last.handles <= first.handles + FURTHER_HANDLES);
});
