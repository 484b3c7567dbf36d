/**
 * The museum: one test for each way in which a version of this store once lost data, or forgot that it had. The name says what was lost, and how.
 * Nothing here is ever removed; a new bug of this kind gets its test here before it is mended.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SEGMENT_BYTES } from '../../src/units.js';
import { Prng } from '../support/prng.js';
import { faultAt } from '../support/simulated-io.js';
import { type Content, makeContent, Oracle } from '../crash/oracle.js';
import { type MachineOptions, type Process, SimulatedMachine } from '../crash/simulated-machine.js';
import { inTurns } from '../crash/turns.js';
import { checkFile, verifyAcknowledged, verifyStore } from '../crash/verify.js';
import { removeFile, upload } from '../crash/workload.js';

const SMALL_LOG = '/data/log/small-0000000001.log';
const MANIFEST = '/data/log.manifest';
const ROOT_TABLE = 0x03;

/** A machine with a store that runs, and what its clients know. */
class Exhibit {
	readonly machine: SimulatedMachine;
	readonly oracle = new Oracle();
	readonly prng: Prng;
	process!: Process;

	private constructor(seed: number, options: Partial<MachineOptions>) {
		this.machine = new SimulatedMachine({ seed, rollBytes: 2 ** 30, ...options });
		this.prng = new Prng(seed);
	}

	static async open(seed = 1, options: Partial<MachineOptions> = {}): Promise<Exhibit> {
		const exhibit = await Exhibit.prepare(seed, options);
		await exhibit.start();
		return exhibit;
	}

	/** A machine on which nothing has run yet. */
	static async prepare(seed: number, options: Partial<MachineOptions> = {}): Promise<Exhibit> {
		const exhibit = new Exhibit(seed, options);
		await exhibit.machine.prepare();
		return exhibit;
	}

	/** Starts a process that does not live to be ready. */
	async startUntilCrash(): Promise<void> {
		await inTurns(this.machine.start(), 'a start', () => this.machine.io.crashed);
	}

	async start(rebuild = false): Promise<void> {
		this.process = await this.run(this.machine.start(rebuild));
	}

	/** The store is closed, and its process ends. */
	async stop(): Promise<void> {
		await this.run(this.process.store.close());
		this.machine.kill();
	}

	async run<T>(work: Promise<T>): Promise<T> {
		const done = await inTurns(work, 'the exhibit', () => false);
		if (!done) throw new Error('the machine stopped');
		return done.value;
	}

	/** Uploads a content; it counts as answered once this resolves. */
	upload(content: Content): Promise<void> {
		return this.run(upload(this.machine, this.process.store, this.oracle, this.prng, content));
	}

	/** Starts an upload that the machine does not live to answer. */
	async uploadUntilCrash(content: Content): Promise<void> {
		const { machine, process, oracle, prng } = this;
		await inTurns(upload(machine, process.store, oracle, prng, content), 'an upload', () => machine.io.crashed);
	}

	/** Drops segments of a file; they count as dropped once this resolves. */
	async prune(content: Content, first: number, count: number): Promise<void> {
		const pruning = this.oracle.states.begin(content.root, 'pruned');
		await this.run(this.process.store.files.dropSegments(content.root, first, count));
		this.oracle.states.answered(pruning);
	}

	remove(content: Content): Promise<void> {
		return this.run(removeFile(this.machine, this.process.store, this.oracle, content));
	}

	/** Uploads a content, does something to it in a second run, and uploads it again while that run's file of a lane is away. */
	async sendAgainWhileAway(content: Content, lane: string, act: () => Promise<void>): Promise<void> {
		await this.upload(content);
		await this.stop();
		await this.start();
		await act();
		await this.stop();
		const log = `/data/log/${lane}-0000000002.log`;
		await this.machine.io.rename(log, '/away');
		await this.start(true);
		await this.upload(content);
		await this.stop();
		await this.machine.io.rename('/away', log);
		await this.start();
	}

	content(sizeBytes: number): Content {
		return makeContent(this.prng, sizeBytes);
	}

	/** Every promise holds: docs/reliability.md. */
	verify(): Promise<void> {
		return this.run(verifyStore(this.machine, this.process, this.oracle));
	}
}

describe('once lost:', () => {
	it('acknowledged uploads, built on a group whose sync had failed: after a restart the page cache still showed it, recovery took it for durable, and a power cut took it away', async () => {
		for (let seed = 1; seed <= 20; seed++) {
			const exhibit = await Exhibit.open(seed);
			const { machine } = exhibit;
			await exhibit.upload(exhibit.content(900));
			machine.faults = faultAt('fdatasync', 0, { type: 'error', code: 'EIO' }, /small-/);
			await assert.rejects(exhibit.upload(exhibit.content(5000)), { code: 'READ_ONLY' });
			machine.kill();
			await exhibit.start();
			await exhibit.upload(exhibit.content(700));
			machine.powerCut();
			await exhibit.start();
			await exhibit.verify();
		}
	});

	it('the verdict on a torn group, because there was no room to state it when it was found: a checkpoint passed the group, and a later rebuild called it damage', async () => {
		let inDoubt = 0;
		for (let seed = 1; seed <= 40; seed++) {
			const exhibit = await Exhibit.open(seed);
			const { machine } = exhibit;
			await exhibit.upload(exhibit.content(SEGMENT_BYTES + 900));
			// Without it the next open would need room for a new view.
			await exhibit.run(exhibit.process.store.checkpoint());
			machine.faults = faultAt('fdatasync', 0, { type: 'crash' }, /bulk-/);
			await exhibit.uploadUntilCrash(exhibit.content(3 * SEGMENT_BYTES));
			machine.powerCut();
			machine.faults = (call) =>
				call.mode === 'create' && call.path.endsWith('.log') ? { type: 'error', code: 'ENOSPC' } : undefined;
			await exhibit.start();
			inDoubt += exhibit.process.told.inDoubt;
			await exhibit.run(exhibit.process.store.checkpoint().catch(() => undefined));
			machine.kill();
			await exhibit.start();
			await exhibit.upload(exhibit.content(SEGMENT_BYTES + 5));
			await exhibit.stop();
			await exhibit.start(true);
			assert.deepEqual(exhibit.process.told.damaged, [], `seed ${seed}`);
			await exhibit.verify();
		}
		assert.ok(inDoubt > 0, 'no group was ever in doubt');
	});

	it('rows of the view, found damaged at run time and forgotten at the close: a new checkpoint vouched for them, and nothing rebuilt them', async () => {
		const exhibit = await Exhibit.open();
		const { machine } = exhibit;
		const content = exhibit.content(3000);
		await exhibit.upload(content);
		await exhibit.run(exhibit.process.store.checkpoint());
		machine.database?.damage(Buffer.concat([Buffer.of(ROOT_TABLE), Buffer.from(content.root.slice(2), 'hex')]));
		machine.kill();
		await exhibit.start();
		await assert.rejects(exhibit.run(exhibit.process.store.files.fileByRoot(content.root)), { code: 'DATA_DAMAGED' });
		await exhibit.upload(exhibit.content(400)).catch(() => undefined);
		await exhibit.stop();
		await exhibit.start();
		assert.equal(exhibit.process.told.rebuilt.length, 1);
		await exhibit.verify();
	});

	it('a whole volume: the process that made its directory was killed before the name was durable, the next one found the directory there and did not sync it, and a power cut took it with all its files', async () => {
		for (let seed = 1; seed <= 10; seed++) {
			const exhibit = await Exhibit.prepare(seed, { furtherVolumes: 1 });
			const { machine } = exhibit;
			let isMade = false;
			machine.faults = ({ kind, path }) => {
				if (isMade) return { type: 'crash' };
				isMade = kind === 'makeDir' && path === '/disk1';
				return undefined;
			};
			await exhibit.startUntilCrash();
			assert.ok(isMade, 'the volume was never made');
			machine.kill();
			await exhibit.start();
			for (const sizeBytes of [900, 2 * SEGMENT_BYTES, 40_000]) await exhibit.upload(exhibit.content(sizeBytes));
			machine.powerCut();
			await exhibit.start();
			await exhibit.verify();
		}
	});

	for (const fate of ['one flipped bit', 'a log file that is gone'] as const) {
		it(`a file with ${fate}, sent again after a restart: the upload was answered as already there, and healed nothing`, async () => {
			const exhibit = await Exhibit.open();
			const { machine } = exhibit;
			const content = exhibit.content(9000);
			await exhibit.upload(content);
			await exhibit.stop();
			if (fate === 'one flipped bit') {
				const at = Buffer.from(machine.io.contents(SMALL_LOG)).indexOf(content.bytes.subarray(5000, 5100));
				assert.ok(at > 0);
				machine.io.corrupt(SMALL_LOG, at, 3);
			} else await machine.io.unlink(SMALL_LOG);
			await exhibit.start();
			await exhibit.upload(content);
			const healed = await exhibit.run(exhibit.process.store.files.fileByRoot(content.root));
			await exhibit.run(checkFile(exhibit.process.store, healed, content));
			await exhibit.stop();
			await exhibit.start(true);
			await exhibit.run(verifyAcknowledged(exhibit.process.store, exhibit.oracle));
		});
	}

	it('the end of a log file that was away for a while: the checkpoint stood in the middle of it, the lane went on without it, and nothing took the rest when it was back', async () => {
		for (let seed = 1; seed <= 10; seed++) {
			const exhibit = await Exhibit.open(seed);
			const { machine } = exhibit;
			await exhibit.upload(exhibit.content(9000));
			await exhibit.run(exhibit.process.store.checkpoint());
			await exhibit.upload(exhibit.content(1000));
			machine.powerCut();
			await machine.io.rename(SMALL_LOG, '/away');
			for (let starts = 0; starts < 2; starts++) {
				await exhibit.start();
				await exhibit.upload(exhibit.content(700));
				await exhibit.stop();
			}
			await machine.io.rename('/away', SMALL_LOG);
			await exhibit.start();
			await exhibit.verify();
		}
	});

	it('a file that was sent again while its deletion lay in a log file that was away: the upload was answered as already there, and the deletion counted when it was back', async () => {
		const exhibit = await Exhibit.open();
		const content = exhibit.content(9000);
		await exhibit.sendAgainWhileAway(content, 'small', () => exhibit.remove(content));
		await exhibit.verify();
	});

	it('a pruned file that was sent again while the log file that tells of the pruning was away: the upload was answered as already there, and the segment was missing when it was back', async () => {
		const exhibit = await Exhibit.open();
		const content = exhibit.content(3 * SEGMENT_BYTES);
		await exhibit.sendAgainWhileAway(content, 'bulk', () => exhibit.prune(content, 1, 1));
		await exhibit.verify();
	});

	it('the deletion of a file: the volume with its fact was lost, and what an operator had deleted was served again', async () => {
		for (const size of [9000, 2 * SEGMENT_BYTES]) {
			const exhibit = await Exhibit.open();
			const { machine } = exhibit;
			const content = exhibit.content(size);
			await exhibit.upload(content);
			await exhibit.stop();
			await exhibit.start();
			await exhibit.remove(content);
			await exhibit.stop();
			for (const lane of ['small', 'bulk']) {
				const log = `/data/log/${lane}-0000000002.log`;
				if (machine.io.files().includes(log)) await machine.io.unlink(log);
			}
			await exhibit.start(true);
			const file = await exhibit.run(exhibit.process.store.files.fileByRoot(content.root));
			assert.deepEqual([file?.deleted, file?.heldSegments], [true, 0]);
		}
	});

	it('the way back to files that two runs had written: another part of the log was away in each, both gave their new files the same numbers, and with everything back the store refused to open', async () => {
		let collisions = 0;
		for (let seed = 1; seed <= 10; seed++) {
			const exhibit = await Exhibit.open(seed, { rollBytes: 24 * 1024, furtherVolumes: 1 });
			const { machine } = exhibit;
			const away = async (from: string, to: string): Promise<void> => {
				await machine.io.rename(from, to);
				// It would know the numbers.
				if (machine.io.files().includes(MANIFEST)) await machine.io.unlink(MANIFEST);
				machine.io.settle();
			};
			const bulkFiles = (): string[] => machine.io.files().filter((path) => path.includes('/log/bulk-'));
			await exhibit.upload(exhibit.content(9000));
			await exhibit.stop();
			const small = machine.io.files().find((path) => path.includes('/log/small-')) ?? '';
			await away(small, '/small');
			await exhibit.start();
			await exhibit.upload(exhibit.content(SEGMENT_BYTES + 1));
			machine.kill();
			const written = bulkFiles();
			if (written.every((path) => path.startsWith('/disk1/'))) collisions++;
			await away('/disk1', '/disk');
			await exhibit.start();
			await exhibit.upload(exhibit.content(SEGMENT_BYTES + 2));
			machine.kill();
			await away('/disk', '/disk1');
			await away('/small', small);
			const names = bulkFiles().map((path) => path.split('/').at(-1));
			assert.equal(new Set(names).size, names.length, names.join());
			await exhibit.start();
			await exhibit.verify();
		}
		assert.ok(collisions > 0, 'the second run did not see a file of the first one');
	});

	it('that a log file is missing: it was begun after the last checkpoint, the node was killed, nobody knew of it, and the next one got its number', async () => {
		for (const hasCheckpoint of [true, false]) {
			const exhibit = await Exhibit.open();
			const { machine } = exhibit;
			await exhibit.upload(exhibit.content(900));
			await exhibit.stop();
			await exhibit.start();
			await exhibit.upload(exhibit.content(1800));
			machine.kill();
			if (!hasCheckpoint) await machine.io.unlink('/data/view.checkpoint');
			const newest = '/data/log/small-0000000002.log';
			await machine.io.rename(newest, '/away');
			await exhibit.start();
			assert.deepEqual(exhibit.process.store.losses.files, [{ lane: 'small', fileNo: 2 }]);
			await exhibit.upload(exhibit.content(2700));
			machine.kill();
			assert.ok(!machine.io.files().includes(newest));
			await machine.io.rename('/away', newest);
			await exhibit.start();
			await exhibit.verify();
		}
	});

	it('that a file is not deleted: it was, then sent again, then pruned segment by segment; compaction forgot the pruning, and the old deletion counted again', async () => {
		const exhibit = await Exhibit.open(1, { rollBytes: 61 * SEGMENT_BYTES });
		const { machine, process } = exhibit;
		const { compaction } = process.store;
		const [content, dead] = [exhibit.content(2 * SEGMENT_BYTES), exhibit.content(60 * SEGMENT_BYTES)];
		// The first log file holds the beginning of the first object, and stays; the second one holds all facts about the second object, and goes.
		await exhibit.upload(exhibit.content(60 * SEGMENT_BYTES));
		await exhibit.upload(content);
		await exhibit.remove(content);
		await exhibit.upload(content);
		await exhibit.prune(content, 0, 2);
		await exhibit.upload(dead);
		await exhibit.remove(dead);
		await exhibit.upload(exhibit.content(2 * SEGMENT_BYTES));
		await exhibit.run(process.store.settle());
		await exhibit.run(process.store.checkpoint());
		await exhibit.run(compaction.start().then(() => compaction.settled()));
		const left = machine.io.files().filter((path) => /bulk-000000000[12]/.test(path));
		assert.deepEqual(left, ['/data/log/bulk-0000000001.log']);
		machine.kill();
		await exhibit.start(true);
		await exhibit.verify();
	});
});
