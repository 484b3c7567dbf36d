import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DownloadWatch, type WatchedDownload } from '../../../src/api/rest/download-watch.js';
import { LIMITS } from '../../../src/limits.js';
import { SimulatedClock } from '../../support/simulated-clock.js';

function download(since: Partial<WatchedDownload>) {
	const none = { heldSinceMs: undefined, waitsSinceMs: undefined, unsentBytes: undefined };
	const made = { ...none, ...since, cuts: 0, cut: () => void made.cuts++ };
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

test('who takes not a single byte while others wait is cut sooner than who takes few', () => {
	const clock = new SimulatedClock();
	const watch = new DownloadWatch(clock);
	const still = download({ heldSinceMs: watch.nowMs(), unsentBytes: 500 });
	const slow = download({ heldSinceMs: watch.nowMs(), unsentBytes: 500_000 });
	watch.add(still);
	watch.add(slow);
	clock.advance(LIMITS.httpStalledLookMs);
	watch.add(download({ waitsSinceMs: watch.nowMs() }));
	for (let look = 0; look < 3; look++) {
		clock.advance(LIMITS.httpStalledLookMs);
		Object.assign(slow, { unsentBytes: 400_000 - look });
	}
	assert.deepEqual([still.cuts > 0, slow.cuts], [true, 0]);
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
