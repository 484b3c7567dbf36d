/** Header and trailer of a group of the journal are lost: what an open makes of it. */
import assert from 'node:assert/strict';
import { cp, open, readFile, truncate, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { LogFileScan } from '../../../src/append-log/file-scan.js';
import { FIRST_GROUP_OFFSET, type GroupHeader } from '../../../src/append-log/format.js';
import { createNodeIo } from '../../../src/io/node-io.js';
import { logChecksums } from '../../../src/log-layer/log-checksums.js';
import { JOURNAL_RECORDS } from '../../../src/settlement/journal-records.js';
import { logFiles } from '../../support/damage.js';
import { Prng } from '../../support/prng.js';
import { dumpView, put, readBack, type TestStore, useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const CONTENTS = Array.from({ length: 6 }, (_, index) => new Prng(index + 1).bytes(2000));

/** Groups of the only journal file of a directory. */
async function journalGroups(dataDir: string): Promise<readonly GroupHeader[]> {
	const [path = ''] = await logFiles(dataDir, 'journal');
	const file = await createNodeIo().open(path, 'read');
	try {
		const scan = await LogFileScan.open(file, 'journal', 1, logChecksums);
		const groups: GroupHeader[] = [];
		for await (const scanned of scan.groups(FIRST_GROUP_OFFSET)) if ('group' in scanned) groups.push(scanned.group);
		return groups;
	} finally {
		await file.close();
	}
}

function typesOf(group: GroupHeader): readonly number[] {
	return group.records.map(({ type }) => type);
}

async function lose(dataDir: string, group: GroupHeader): Promise<void> {
	const [path = ''] = await logFiles(dataDir, 'journal');
	const file = await open(path, 'r+');
	await file.write(Buffer.alloc(group.groupBytes, 0xee), 0, group.groupBytes, group.offset);
	await file.close();
}

async function assertServed(store: TestStore): Promise<void> {
	for (const [txSeq, content] of CONTENTS.entries())
		assert.ok((await readBack(store, { txSeq: txSeq as never })).equals(content), `submission ${txSeq}`);
}

describe('a lost group of the journal', () => {
	let original: string;

	before(async () => {
		const store = await stores.open();
		for (const content of CONTENTS) await put(store, content, { name: 'first' });
		await put(store, CONTENTS[2] as Uint8Array, { name: 'second' });
		await put(store, CONTENTS[5] as Uint8Array, { name: 'third' });
		await store.close();
		original = store.dataDir;
	});

	/** A copy without one of its groups. */
	async function copyWithout(
		pick: (groups: readonly GroupHeader[]) => GroupHeader | undefined,
		keepCheckpoint: boolean,
	): Promise<{ dataDir: string; log: Buffer }> {
		const dataDir = await stores.newDirectory();
		await cp(original, dataDir, { recursive: true });
		const group = pick(await journalGroups(dataDir));
		assert.ok(group);
		await lose(dataDir, group);
		if (!keepCheckpoint) await unlink(join(dataDir, 'view.checkpoint'));
		const [path = ''] = await logFiles(dataDir, 'journal');
		return { dataDir, log: await readFile(path) };
	}

	const fourthEntry = (groups: readonly GroupHeader[]): GroupHeader | undefined =>
		groups.filter((group) => typesOf(group).includes(JOURNAL_RECORDS.ledgerEntry))[4];
	const lastEntry = (groups: readonly GroupHeader[]): GroupHeader | undefined =>
		groups.findLast((group) => typesOf(group).includes(JOURNAL_RECORDS.ledgerEntry));
	const nameOnly = (groups: readonly GroupHeader[]): GroupHeader | undefined =>
		groups.find((group) => typesOf(group).every((type) => type === JOURNAL_RECORDS.upload) && group.records.length > 0);

	it('costs nothing while the view stands at a checkpoint behind it', async () => {
		const { dataDir } = await copyWithout(fourthEntry, true);
		const store = await stores.open({}, dataDir);
		await assertServed(store);
		await store.close();
	});

	for (const { what, pick } of [
		{ what: 'an entry that others follow', pick: fourthEntry },
		{ what: 'an entry that only names follow', pick: lastEntry },
	]) {
		it(`is a refusal that names the bytes, each time, and changes nothing, when the view needs it: ${what}`, async () => {
			const { dataDir, log } = await copyWithout(pick, false);
			for (let start = 0; start < 3; start++) {
				await assert.rejects(stores.open({}, dataDir), (error: Error & { code?: string }) => {
					assert.equal(error.code, 'JOURNAL_DAMAGED');
					assert.match(error.message, /^bytes \d+ to \d+ of \S+journal-0000000001\.log cannot be read/);
					return true;
				});
				const [path = ''] = await logFiles(dataDir, 'journal');
				assert.ok((await readFile(path)).equals(log));
			}
			await cp(join(original, 'log'), join(dataDir, 'log'), { recursive: true });
			const healed = await stores.open({}, dataDir);
			await assertServed(healed);
			await healed.close();
		});
	}

	it('does not cost the view that works when a rebuild is asked for', async () => {
		const { dataDir } = await copyWithout(fourthEntry, true);
		const dump = await dumpView(dataDir);
		await assert.rejects(stores.open({ rebuild: true }, dataDir), { code: 'JOURNAL_DAMAGED' });
		assert.deepEqual(await dumpView(dataDir), dump);
		const store = await stores.open({}, dataDir);
		await assertServed(store);
		await store.close();
	});

	it('is reported, and costs a name, when no entry was in it', async () => {
		const { dataDir } = await copyWithout(nameOnly, false);
		const store = await stores.open({}, dataDir);
		await assertServed(store);
		assert.ok(store.files.health().some(({ code, ready }) => code === 'LOG_DAMAGED' && ready));
		assert.equal(store.log.damage.length, 1);
		await store.close();
	});

	it('is named as well when a log file ends before what the checkpoint knows of it', async () => {
		const dataDir = await stores.newDirectory();
		await cp(original, dataDir, { recursive: true });
		const [journal = ''] = await logFiles(dataDir, 'journal');
		await truncate(journal, 8192);
		await assert.rejects(stores.open({}, dataDir), (error: Error & { code?: string }) => {
			assert.equal(error.code, 'JOURNAL_DAMAGED');
			assert.match(error.message, /ends at byte 8192, and the checkpoint of the view knows \d+ bytes of it/);
			return true;
		});
		await cp(join(original, 'log'), join(dataDir, 'log'), { recursive: true });
		const [small = ''] = await logFiles(dataDir, 'small');
		await truncate(small, 8192);
		const store = await stores.open({}, dataDir);
		assert.ok(store.told.includes('damaged small 1'));
		assert.ok(store.files.health().some(({ code }) => code === 'LOG_DAMAGED'));
		await assert.rejects(readBack(store, { txSeq: 5 as never }), { code: 'DATA_DAMAGED' });
		assert.ok((await readBack(store, { txSeq: 0 as never })).equals(CONTENTS[0] as Uint8Array));
		await store.close();
	});
});
