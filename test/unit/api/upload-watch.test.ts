import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UploadWatch, type WatchedUpload } from '../../../src/api/rest/upload-watch.js';
import { SimulatedClock } from '../../support/simulated-clock.js';

function watched(): WatchedUpload & { idle: number } {
	const upload = {
		moved: false,
		waitsForNode: false,
		idle: 0,
		receivedBytes: () => 0,
		onIdle: () => void upload.idle++,
	};
	return upload;
}

test('an upload that stands still for the idle time is told once', () => {
	const clock = new SimulatedClock();
	const watch = new UploadWatch({ idleTimeoutMs: 1000, minBytesPerSecond: 0, clock });
	const upload = watched();
	watch.add(upload);
	clock.advance(999);
	assert.equal(upload.idle, 0);
	clock.advance(1);
	assert.equal(upload.idle, 1);
	clock.advance(10_000);
	assert.equal(upload.idle, 1);
});

test('movement, and waiting for the node, keep an upload alive', () => {
	const clock = new SimulatedClock();
	const watch = new UploadWatch({ idleTimeoutMs: 1000, minBytesPerSecond: 0, clock });
	const moving = watched();
	const held = Object.assign(watched(), { waitsForNode: true });
	watch.add(moving);
	watch.add(held);
	for (let step = 0; step < 20; step++) {
		moving.moved = true;
		clock.advance(900);
	}
	assert.equal(moving.idle, 0);
	assert.equal(held.idle, 0);
});

test('one timer serves all uploads, and ends when none is watched any more', () => {
	const clock = new SimulatedClock();
	const watch = new UploadWatch({ idleTimeoutMs: 1000, minBytesPerSecond: 0, clock });
	assert.equal(clock.scheduled, 0);
	const upload = watched();
	watch.add(upload);
	assert.equal(clock.scheduled, 1);
	watch.remove(upload);
	watch.add(upload);
	assert.equal(clock.scheduled, 1);
	watch.remove(upload);
	clock.advance(250);
	assert.equal(clock.scheduled, 0);
	watch.add(upload);
	clock.advance(1000);
	assert.equal(clock.scheduled, 0);
});

test('an upload that drips below the least rate is given up after the idle time; one above it is not', () => {
	const clock = new SimulatedClock();
	const watch = new UploadWatch({ idleTimeoutMs: 1000, minBytesPerSecond: 100, clock });
	const bytes = { slow: 0, quick: 0, held: 0 };
	const slow = Object.assign(watched(), { receivedBytes: () => bytes.slow });
	const quick = Object.assign(watched(), { receivedBytes: () => bytes.quick });
	const held = Object.assign(watched(), { waitsForNode: true, receivedBytes: () => bytes.held });
	for (const upload of [slow, quick, held]) watch.add(upload);
	const step = (): void => {
		slow.moved = true;
		quick.moved = true;
		bytes.slow += 7;
		bytes.quick += 13;
		clock.advance(100);
	};
	for (let count = 0; count < 10; count++) step();
	assert.equal(slow.idle, 0, 'not before the idle time has passed');
	for (let count = 0; count < 90; count++) step();
	assert.deepEqual([slow.idle, quick.idle, held.idle], [1, 0, 0]);
});
