/** Data directories of every released format are read back fully, and those of later formats refused with nothing changed (docs/format.md §9). */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, it, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decodeFileStart, encodeFileStart } from '../../src/append-log/format.js';
import { logChecksums } from '../../src/log-layer/log-checksums.js';
import { openSealedJson, sealJson } from '../../src/log-layer/sealed-json.js';
import { SEGMENT_BYTES, type TxSeq } from '../../src/units.js';
import { RealNode } from '../crash/real-node.js';
import type { GoldenExpectation } from '../golden/make-format-1.js';
import { Prng } from '../support/prng.js';
import { runCli } from '../support/processes.js';
import { put, readBack, type TestStore, useTestStores } from '../support/test-store.js';

const GOLDEN = fileURLToPath(new URL('../../../test/golden/', import.meta.url));
const FORMATS = ['format-1'];
const LATER = 2;
/** Types of the records that this version writes; `copy`: also by compaction, `fact`: also without a payload. */
const WRITTEN =
	`10,10 fact,11,11 fact,12 fact,13 fact,20 copy fact,20 fact,21,21 copy,21 copy fact,22 copy fact,22 fact,23,23 copy,
	24 copy fact,24 fact,25 copy fact,25 fact,27,27 copy,28 copy fact,28 fact,verdict`.split(/,\s*/);

const stores = useTestStores();
const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

interface Golden {
	readonly dataDir: string;
	/** Its second volume. */
	readonly dataDirs: readonly string[];
}

/** A copy of the directories that a version once wrote. */
async function copyOf(format: string): Promise<Golden> {
	const home = await stores.newDirectory();
	await cp(join(GOLDEN, format), home, { recursive: true });
	return { dataDir: join(home, 'data'), dataDirs: [join(home, 'disk1')] };
}

function isHeld({ deleted, heldSegments, sizeBytes }: GoldenExpectation['files'][number]): boolean {
	return !deleted && heldSegments === Math.ceil(sizeBytes / SEGMENT_BYTES);
}

async function assertWhole(store: TestStore, expected: GoldenExpectation): Promise<void> {
	for (const known of expected.files) {
		const { txSeq, root, sizeBytes, name, sha256, deleted, heldSegments } = known;
		const file = await store.files.fileBySeq(txSeq as TxSeq);
		assert.ok(file, `submission ${txSeq}`);
		assert.deepEqual(
			[file.root, file.sizeBytes, file.name, file.finalized, file.deleted, file.heldSegments],
			[root, sizeBytes, name, isHeld(known), deleted, heldSegments],
		);
		if (isHeld(known)) assert.equal(sha256Of(await readBack(store, file)), sha256, `submission ${txSeq}`);
		else await assert.rejects(readBack(store, file), { code: deleted ? 'GONE' : 'NOT_HELD' });
	}
}

for (const format of FORMATS) {
	describe(`a data directory of ${format}`, async () => {
		const expected = JSON.parse(await readFile(join(GOLDEN, format, 'expected.json'), 'utf8')) as GoldenExpectation;

		for (const view of ['its checkpoint', 'no checkpoint'] as const) {
			it(`with ${view} opens to the same ledger state, files, names and bytes, and goes on`, async () => {
				const { dataDir, dataDirs } = await copyOf(format);
				if (view === 'no checkpoint') await rm(join(dataDir, 'view.checkpoint'));
				let store = await stores.open({ dataDirs }, dataDir);
				const { submissions, lengthSectors, root } = store.files.flow();
				assert.deepEqual(
					{ submissions, lengthSectors: String(lengthSectors), root: Buffer.from(root).toString('hex') },
					expected.flow,
				);
				assert.equal(Buffer.from(store.settlement.flow().stateHash).toString('hex'), expected.stateHash);
				assert.deepEqual(store.files.health(), []);
				await assertWhole(store, expected);
				for (const { id, offsetBytes, sizeBytes } of expected.resumables) {
					const upload = await store.files.resumables.find(id);
					assert.deepEqual([upload.offsetBytes, upload.sizeBytes], [offsetBytes, sizeBytes]);
				}
				const added = new Prng(1).bytes(400_000);
				const { txSeq } = await put(store, added, { name: 'added later' });
				assert.equal(txSeq, submissions);
				await store.close();
				store = await stores.open({ dataDirs }, dataDir);
				await assertWhole(store, expected);
				assert.ok((await readBack(store, { txSeq })).equals(added));
				await store.close();
			});
		}

		it('is served by the real process', async () => {
			const { dataDir, dataDirs } = await copyOf(format);
			const node = new RealNode(dataDir, { PERIGEE_STORAGE_DATA_DIRS: dataDirs.join(':') });
			after(() => node.end());
			const url = await node.start();
			for (const known of expected.files) {
				const { root, sha256, deleted } = known;
				const answer = await fetch(`${url}/v1/files/${root}`);
				const bytes = new Uint8Array(await answer.arrayBuffer());
				assert.equal(answer.status, isHeld(known) ? 200 : deleted ? 410 : 404);
				if (isHeld(known)) assert.equal(sha256Of(bytes), sha256);
			}
			const ready = await fetch(`${url}/health/ready`);
			assert.equal(ready.status, 200, await ready.text());
		});

		it('holds a record of each kind that is written', async () => {
			const { dataDir, dataDirs } = await copyOf(format);
			const store = await stores.open({ dataDirs }, dataDir);
			const kinds = new Set<string>();
			for (const lane of ['journal', 'small', 'bulk'] as const) {
				for (const fileNo of store.log.closedFiles.numbers(lane)) {
					const file = await store.log.closedFiles.open(lane, fileNo);
					for await (const records of file.groups())
						for (const { type, origin, lsn, place } of records)
							kinds.add(`${type.toString(16)}${origin === lsn ? '' : ' copy'}${place ? '' : ' fact'}`);
					if ((await file.verdicts()).length > 0) kinds.add('verdict');
					await file.close();
				}
			}
			await store.close();
			assert.deepEqual([...kinds].sort(), WRITTEN);
		});
	});
}

/** Content of every file below, but of the lock. */
async function contentsOf(directory: string): Promise<Map<string, string>> {
	const contents = new Map<string, string>();
	for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
		if (!entry.isFile() || entry.name === 'LOCK') continue;
		const path = join(entry.parentPath, entry.name);
		contents.set(path, sha256Of(await readFile(path)));
	}
	return contents;
}

async function raiseIdentity(directory: string): Promise<void> {
	const path = join(directory, 'store.json');
	await writeFile(path, sealJson({ ...(openSealedJson(await readFile(path)) as object), format: LATER }));
}

/** Gives the newest log file of a lane a header of the later version, with a right checksum. */
async function raiseLog(directory: string, lane: string): Promise<void> {
	const names = (await readdir(join(directory, 'log'))).filter((name) => name.startsWith(lane)).sort();
	const path = join(directory, 'log', names.at(-1) as string);
	const bytes = await readFile(path);
	const header = decodeFileStart(bytes, logChecksums);
	assert.ok(header);
	encodeFileStart({ ...header, version: LATER }, logChecksums).copy(bytes);
	await writeFile(path, bytes);
}

const LATER_DIRECTORIES: Readonly<Record<string, (directory: string) => Promise<void>>> = {
	'in its identity': raiseIdentity,
	'in a journal file alone': (directory) => raiseLog(directory, 'journal'),
	'in a bulk file, with the identity lost': async (directory) => {
		await raiseLog(directory, 'bulk');
		await rm(join(directory, 'store.json'));
	},
	'in a small file, without a checkpoint': async (directory) => {
		await raiseLog(directory, 'small');
		await rm(join(directory, 'view.checkpoint'));
	},
};

for (const [where, raise] of Object.entries(LATER_DIRECTORIES)) {
	test(`a later format ${where}: start and rebuild refuse with a sentence and change nothing`, async () => {
		const { dataDir: directory, dataDirs } = await copyOf('format-1');
		const store = await stores.open({ dataDirs }, directory);
		await store.close();
		await raise(directory);
		const before = await contentsOf(directory);
		assert.ok([...before.keys()].some((path) => path.includes('/view/')));
		for (const verb of [['start', '--http', '127.0.0.1:0'], ['rebuild']]) {
			const { code, stderr } = await runCli([...verb, '--data-dir', directory]);
			assert.notEqual(code, 0);
			assert.match(stderr, /has format 2; this version knows up to 1/);
			assert.deepEqual(await contentsOf(directory), before, verb[0]);
		}
	});
}
