/** Data directories of every released format are read back fully, and those of later formats refused with nothing changed (docs/format.md §9). */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, it, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decodeFileStart, encodeFileStart } from '../../src/append-log/format.js';
import { logChecksums } from '../../src/log-layer/log-checksums.js';
import type { TxSeq } from '../../src/units.js';
import { RealNode } from '../crash/real-node.js';
import type { GoldenExpectation } from '../golden/make-format-1.js';
import { Prng } from '../support/prng.js';
import { runCli } from '../support/processes.js';
import { put, readBack, type TestStore, useTestStores } from '../support/test-store.js';

const GOLDEN = fileURLToPath(new URL('../../../test/golden/', import.meta.url));
const FORMATS = ['format-1'];
const LATER = 2;

const stores = useTestStores();
const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A copy of the directory that a version once wrote. */
async function copyOf(format: string): Promise<string> {
	const directory = await stores.newDirectory();
	await cp(join(GOLDEN, format, 'data'), directory, { recursive: true });
	return directory;
}

async function assertWhole(store: TestStore, expected: GoldenExpectation): Promise<void> {
	for (const { txSeq, root, sizeBytes, name, sha256 } of expected.files) {
		const file = await store.files.fileBySeq(txSeq as TxSeq);
		assert.ok(file, `submission ${txSeq}`);
		assert.deepEqual([file.root, file.sizeBytes, file.name, file.finalized], [root, sizeBytes, name, true]);
		assert.equal(sha256Of(await readBack(store, file)), sha256, `submission ${txSeq}`);
	}
}

for (const format of FORMATS) {
	describe(`a data directory of ${format}`, async () => {
		const expected = JSON.parse(await readFile(join(GOLDEN, format, 'expected.json'), 'utf8')) as GoldenExpectation;

		for (const view of ['its checkpoint', 'no checkpoint'] as const) {
			it(`with ${view} opens to the same ledger state, files, names and bytes, and goes on`, async () => {
				const directory = await copyOf(format);
				if (view === 'no checkpoint') await rm(join(directory, 'view.checkpoint'));
				let store = await stores.open({}, directory);
				const { submissions, lengthSectors, root } = store.files.flow();
				assert.deepEqual(
					{ submissions, lengthSectors: String(lengthSectors), root: Buffer.from(root).toString('hex') },
					expected.flow,
				);
				assert.equal(Buffer.from(store.settlement.flow().stateHash).toString('hex'), expected.stateHash);
				assert.deepEqual(store.files.health(), []);
				await assertWhole(store, expected);
				const added = new Prng(1).bytes(400_000);
				const { txSeq } = await put(store, added, { name: 'added later' });
				assert.equal(txSeq, submissions);
				await store.close();
				store = await stores.open({}, directory);
				await assertWhole(store, expected);
				assert.ok((await readBack(store, { txSeq })).equals(added));
				await store.close();
			});
		}

		it('is served by the real process', async () => {
			const node = new RealNode(await copyOf(format));
			after(() => node.end());
			const url = await node.start();
			for (const { root, sha256 } of expected.files) {
				const answer = await fetch(`${url}/v1/files/${root}`);
				assert.equal(answer.status, 200);
				assert.equal(sha256Of(new Uint8Array(await answer.arrayBuffer())), sha256);
			}
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
	const fields = JSON.parse(await readFile(path, 'utf8')) as object;
	await writeFile(path, `${JSON.stringify({ ...fields, format: LATER })}\n`);
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
		const directory = await copyOf('format-1');
		const store = await stores.open({}, directory);
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
