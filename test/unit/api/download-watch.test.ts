import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DownloadWatch, type WatchedDownload } from '../../../src/api/rest/download-watch.js';
import { LIMITS } from '../../../src/limits.js';
import { SimulatedClock } from '../../support/simulated-clock.js';

function download(since: Partial<WatchedDownload>) {
	const made = { heldSinceMs: undefined, waitsSinceMs: undefined, ...since, cuts: 0, cut: () => void made.cuts++ };
	return made;
}

test('who takes nothing is cut while others wait, and only then', () => {
	const clock = new SimulatedClock();
	const watch = new DownloadWatch(clock);
	const stalled = download({ heldSinceMs: watch.nowMs() });
	watch.add(stalled);
	clock.advance(LIMITS.httpStalledMs * 10);
	assert.equal(stalled.cuts, 0, 'nobody waits');
	const fresh = download({ heldSinceMs: watch.nowMs() });
	const waiting = download({ waitsSinceMs: watch.nowMs() });
	watch.add(fresh);
	watch.add(waiting);
	clock.advance(LIMITS.httpStalledLookMs * 2);
	assert.ok(stalled.cuts > 0);
	assert.deepEqual([fresh.cuts, waiting.cuts], [0, 0]);
});

test('one timer serves all downloads, and ends when none is watched any more', () => {
	const clock = new SimulatedClock();
	const watch = new DownloadWatch(clock);
	const [first, second] = [download({}), download({})];
	watch.add(first);
	watch.add(second);
	assert.equal(clock.scheduled, 1);
	watch.remove(first);
	watch.remove(second);
	clock.advance(LIMITS.httpStalledLookMs);
	assert.equal(clock.scheduled, 0);
});
