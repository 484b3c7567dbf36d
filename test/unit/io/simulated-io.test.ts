import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Prng } from '../../support/prng.js';
import { SeededRandomness, SimulatedClock } from '../../support/simulated-clock.js';
import { crashAt, faultAt, SimulatedCrash, SimulatedIo } from '../../support/simulated-io.js';
import { storageIoCompliance } from './storage-io.compliance.js';

const SEEDS = 200;
const SECTOR = 512;

async function freshIo(options = {}): Promise<SimulatedIo> {
	const io = new SimulatedIo(options);
	await io.makeDir('/d');
	await io.syncDir('/');
	return io;
}

storageIoCompliance('the simulated disk', async () => ({
	io: await freshIo({ capacityBytes: 2 ** 30 }),
	directory: '/d',
	dispose: () => Promise.resolve(),
}));

/** All outcomes of a crash at this moment over many seeds, each described by `describeOutcome`. */
function outcomes(io: SimulatedIo, describeOutcome: (after: SimulatedIo) => string): Set<string> {
	const seen = new Set<string>();
	for (let seed = 0; seed < SEEDS; seed += 1) seen.add(describeOutcome(io.crash(new Prng(seed))));
	return seen;
}

describe('SimulatedIo: crash', () => {
	it('keeps synced data under a synced entry whatever happens', async () => {
		const io = await freshIo();
		const file = await io.open('/d/a', 'create');
		await file.writev([Buffer.alloc(3000, 7)], 0);
		await file.fdatasync();
		await io.syncDir('/d');
		const seen = outcomes(io, (after) => Buffer.from(after.contents('/d/a')).toString('hex'));
		assert.deepEqual([...seen], ['07'.repeat(3000)]);
	});

	it('loses a synced file whose entry was never synced, or keeps it whole', async () => {
		const io = await freshIo();
		const file = await io.open('/d/a', 'create');
		await file.writev([Buffer.from('abc')], 0);
		await file.fdatasync();
		const seen = outcomes(io, (after) =>
			after.files().length === 0 ? 'lost' : Buffer.from(after.contents('/d/a')).toString(),
		);
		assert.deepEqual([...seen].sort(), ['abc', 'lost']);
	});

	it('drops, keeps and tears an unsynced overwrite by sectors of 512 bytes, and only by these', async () => {
		const io = await freshIo();
		const file = await io.open('/d/a', 'create');
		await file.writev([Buffer.alloc(4 * SECTOR, 'o')], 0);
		await file.fdatasync();
		await io.syncDir('/d');
		await file.writev([Buffer.alloc(4 * SECTOR, 'n')], 0);
		const seen = outcomes(io, (after) => {
			const text = Buffer.from(after.contents('/d/a')).toString();
			assert.equal(text.length, 4 * SECTOR);
			return [0, 1, 2, 3]
				.map((index) => {
					const sector = text.slice(index * SECTOR, (index + 1) * SECTOR);
					const first = sector[0] ?? '';
					assert.equal(sector, first.repeat(SECTOR), 'a sector is old or new as a whole');
					return first;
				})
				.join('');
		});
		assert.ok(seen.has('oooo') && seen.has('nnnn'));
		assert.equal(seen.size, 16, 'every combination of sectors occurs');
	});

	it('a write at an odd place tears at sector boundaries of the file', async () => {
		const io = await freshIo();
		const file = await io.open('/d/a', 'create');
		await file.writev([Buffer.alloc(1024, 'o')], 0);
		await file.fdatasync();
		await io.syncDir('/d');
		await file.writev([Buffer.alloc(200, 'n')], 412);
		const seen = outcomes(io, (after) => {
			const text = Buffer.from(after.contents('/d/a')).toString();
			return `${text.slice(412, 413)}${text.slice(511, 513)}${text.slice(611, 612)}`;
		});
		assert.deepEqual([...seen].sort(), ['nnnn', 'nnoo', 'oonn', 'oooo']);
	});

	it('an unsynced extension may leave the old size, the new one, one between, and zeros inside', async () => {
		const io = await freshIo();
		const file = await io.open('/d/a', 'create');
		await file.writev([Buffer.alloc(SECTOR, 'o')], 0);
		await file.fdatasync();
		await io.syncDir('/d');
		await file.writev([Buffer.alloc(8 * SECTOR, 'n')], SECTOR);
		const sizes = new Set<number>();
		let holes = 0;
		for (let seed = 0; seed < SEEDS; seed += 1) {
			const bytes = io.crash(new Prng(seed)).contents('/d/a');
			sizes.add(bytes.byteLength);
			assert.ok(bytes.subarray(0, SECTOR).every((byte) => byte === 0x6f));
			assert.ok(bytes.subarray(SECTOR).every((byte) => byte === 0x6e || byte === 0));
			if (bytes.includes(0)) holes += 1;
		}
		assert.ok(sizes.has(SECTOR) && sizes.has(9 * SECTOR) && sizes.size > 4);
		assert.ok(holes > 0);
	});

	it('each unsynced change of a directory is kept or lost on its own; a rename within it happens whole or not', async () => {
		const io = await freshIo();
		for (const name of ['old', 'gone']) await (await io.open(`/d/${name}`, 'create')).close();
		await io.syncDir('/d');
		await io.rename('/d/old', '/d/new');
		await io.unlink('/d/gone');
		await (await io.open('/d/made', 'create')).close();
		const seen = outcomes(io, (after) => after.files().join(' '));
		assert.equal(seen.size, 8);
		for (const files of seen) assert.equal(files.includes('/d/old'), !files.includes('/d/new'));
	});

	it('a call under way at the crash may have had its effect in part', async () => {
		const io = await freshIo();
		const file = await io.open('/d/a', 'create');
		await io.syncDir('/d');
		const write = file.writev([Buffer.alloc(2 * SECTOR, 1)], 0);
		const sizes = outcomes(io, (after) => String(after.contents('/d/a').byteLength));
		await assert.rejects(write, SimulatedCrash);
		assert.ok(sizes.has('0') && sizes.has('1024'));
	});

	it('the same seed leaves the same disk', async () => {
		const io = await freshIo();
		const file = await io.open('/d/a', 'create');
		await file.writev([new Prng(9).bytes(20_000)], 0);
		const once = io.crash(new Prng(5));
		const again = io.crash(new Prng(5));
		assert.deepEqual(once.files(), again.files());
		if (once.files().length > 0) assert.deepEqual(once.contents('/d/a'), again.contents('/d/a'));
	});

	it('what a crash left is durable: a second crash changes nothing', async () => {
		const io = await freshIo();
		const file = await io.open('/d/a', 'create');
		await io.syncDir('/d');
		await file.writev([new Prng(9).bytes(20_000)], 0);
		for (let seed = 0; seed < 20; seed += 1) {
			const first = io.crash(new Prng(seed));
			const second = first.crash(new Prng(seed + 1000));
			assert.deepEqual(second.contents('/d/a'), first.contents('/d/a'));
		}
	});

	it('a killed process loses nothing, but nothing becomes durable by that', async () => {
		const io = await freshIo();
		const file = await io.open('/d/a', 'create');
		await file.writev([Buffer.from('abc')], 0);
		const next = io.kill();
		await assert.rejects(io.list('/d'), SimulatedCrash);
		assert.equal(Buffer.from(next.contents('/d/a')).toString(), 'abc');
		const seen = outcomes(next, (after) => after.files().join());
		assert.ok(seen.has(''));
	});
});

describe('SimulatedIo: faults', () => {
	it('a crash before a call: it and all later calls reject, and it had no effect', async () => {
		const io = await freshIo();
		const file = await io.open('/d/a', 'create');
		io.hook = faultAt('writev', 0, { type: 'crash' });
		await assert.rejects(file.writev([Buffer.from('x')], 0), SimulatedCrash);
		await assert.rejects(file.fdatasync(), SimulatedCrash);
		await assert.rejects(io.list('/d'), SimulatedCrash);
		await assert.rejects(file.close(), SimulatedCrash);
		assert.equal(io.contents('/d/a').byteLength, 0);
	});

	it('a crash after a call: it rejects, and it had its effect', async () => {
		const io = await freshIo();
		const file = await io.open('/d/a', 'create');
		io.hook = faultAt('writev', 0, { type: 'crashAfter' });
		await assert.rejects(file.writev([Buffer.from('x')], 0), SimulatedCrash);
		assert.equal(io.contents('/d/a').byteLength, 1);
	});

	it('every call boundary of a piece of work can be enumerated', async () => {
		const work = async (io: SimulatedIo): Promise<void> => {
			const file = await io.open('/a', 'create');
			await file.writev([Buffer.from('x')], 0);
			await file.fdatasync();
			await io.syncDir('/');
			await file.close();
		};
		const whole = new SimulatedIo();
		await work(whole);
		assert.equal(whole.calls, 5);
		for (let index = 0; index < whole.calls; index += 1) {
			const io = new SimulatedIo();
			io.hook = crashAt(index);
			await assert.rejects(work(io), SimulatedCrash);
			assert.equal(io.calls, index + 1);
		}
	});

	it('a short write writes and answers fewer bytes', async () => {
		const io = await freshIo();
		const file = await io.open('/d/a', 'create');
		io.hook = faultAt('writev', 0, { type: 'short', bytes: 4 });
		assert.equal(await file.writev([Buffer.from('abc'), Buffer.from('def')], 0), 4);
		assert.equal(Buffer.from(io.contents('/d/a')).toString(), 'abcd');
		assert.equal(await file.writev([Buffer.from('ef')], 4), 2);
	});

	it('a chosen call on a chosen path fails with a system error and has no effect', async () => {
		const io = await freshIo();
		io.hook = faultAt('open', 1, { type: 'error', code: 'EIO' }, /b$/);
		await (await io.open('/d/b', 'create')).close();
		await (await io.open('/d/a', 'create')).close();
		await assert.rejects(io.open('/d/b', 'read'), { code: 'EIO' });
		await (await io.open('/d/b', 'read')).close();
	});

	it('after a failed sync the data reads back, a second sync succeeds, and a crash may lose it all the same', async () => {
		const lost = new Set<boolean>();
		for (let seed = 0; seed < 50; seed += 1) {
			const io = await freshIo({ seed });
			const file = await io.open('/d/a', 'create');
			await io.syncDir('/d');
			await file.writev([Buffer.alloc(2048, 5)], 0);
			io.hook = faultAt('fdatasync', 0, { type: 'error', code: 'EIO' });
			await assert.rejects(file.fdatasync(), { code: 'EIO' });
			await file.fdatasync();
			assert.ok(io.contents('/d/a').every((byte) => byte === 5));
			lost.add(
				io
					.crash(new Prng(seed))
					.contents('/d/a')
					.some((byte) => byte !== 5),
			);
		}
		assert.deepEqual([...lost].sort(), [false, true]);
	});

	it('a full disk: first a short count, then ENOSPC, and room again after an unlink and close', async () => {
		const io = await freshIo({ capacityBytes: 1000 });
		const file = await io.open('/d/a', 'create');
		assert.equal(await file.writev([Buffer.alloc(1500)], 0), 1000);
		await assert.rejects(file.writev([Buffer.alloc(1)], 1000), { code: 'ENOSPC' });
		assert.equal(await file.writev([Buffer.alloc(1000, 1)], 0), 1000, 'overwriting needs no room');
		await io.unlink('/d/a');
		assert.equal((await io.space('/d')).freeBytes, 0);
		await file.close();
		assert.equal((await io.space('/d')).freeBytes, 1000);
	});

	it('too many open files: EMFILE until one is closed', async () => {
		const io = await freshIo({ maxOpenFiles: 1 });
		const file = await io.open('/d/a', 'create');
		await assert.rejects(io.open('/d/b', 'create'), { code: 'EMFILE' });
		await file.close();
		await (await io.open('/d/b', 'create')).close();
	});

	it('a buffer that is refilled before its write was answered spoils the file', async () => {
		const io = await freshIo();
		const file = await io.open('/d/a', 'create');
		const buffer = Buffer.from('right');
		const write = file.writev([buffer], 0);
		buffer.write('wrong');
		await write;
		assert.equal(Buffer.from(io.contents('/d/a')).toString(), 'wrong');
	});

	it('corrupt flips one bit for readers and for what a crash leaves', async () => {
		const io = await freshIo();
		const file = await io.open('/d/a', 'create');
		await file.writev([Buffer.from([0, 0])], 0);
		await file.fdatasync();
		await io.syncDir('/d');
		io.corrupt('/d/a', 1, 3);
		assert.deepEqual([...io.contents('/d/a')], [0, 8]);
		assert.deepEqual([...io.crash(new Prng(1)).contents('/d/a')], [0, 8]);
	});
});

describe('SimulatedClock and SeededRandomness', () => {
	it('calls what falls due in order, and what is cancelled not at all', () => {
		const clock = new SimulatedClock(1000);
		const calls: string[] = [];
		clock.schedule(20, () => calls.push(`b@${clock.nowMs()}`));
		clock.schedule(10, () => {
			calls.push(`a@${clock.nowMs()}`);
			clock.schedule(5, () => calls.push(`c@${clock.monotonicMs()}`));
		});
		clock.schedule(12, () => calls.push('never'))();
		clock.schedule(31, () => calls.push('later'));
		clock.advance(30);
		assert.deepEqual(calls, ['a@1010', 'c@15', 'b@1020']);
		assert.equal(clock.nowMs(), 1030);
		assert.equal(clock.scheduled, 1);
	});

	it('the same seed gives the same bytes, another seed others', () => {
		assert.deepEqual(new SeededRandomness(1).bytes(33), new SeededRandomness(1).bytes(33));
		assert.notDeepEqual(new SeededRandomness(1).bytes(33), new SeededRandomness(2).bytes(33));
	});
});
