import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import { ViewDamagedError } from '../../../src/db/kv-engine.js';
import { ReadMark } from '../../../src/db/read-mark.js';

let home: string;
before(async () => {
	home = await mkdtemp(join(tmpdir(), 'perigee-mark-'));
});
after(() => rm(home, { recursive: true }));

/** A run that ends in the middle of unchecked reading. */
async function endWithin(directory: string): Promise<void> {
	const mark = ReadMark.open(directory);
	await mark.during(() => Promise.resolve());
	void mark.during(() => new Promise(() => undefined));
}

it('two runs in a row that ended while they opened or scanned it make the database count as damaged, until it is removed', async () => {
	const directory = join(home, 'twice');
	await endWithin(directory);
	await endWithin(directory);
	assert.throws(() => ReadMark.open(directory), ViewDamagedError);
	assert.throws(() => ReadMark.open(directory), ViewDamagedError);
	ReadMark.remove(directory);
	ReadMark.open(directory).close();
});

it('runs that ended otherwise do not count, and a clean end forgets those that did', async () => {
	const directory = join(home, 'once');
	await endWithin(directory);
	const killed = ReadMark.open(directory);
	await killed.during(() => Promise.resolve());
	const clean = ReadMark.open(directory);
	await assert.rejects(clean.during(() => Promise.reject(new Error('reading that fails'))));
	clean.close();
	await endWithin(directory);
	ReadMark.open(directory).close();
});

it('a directory that takes no mark is no reason not to read the database', () => {
	ReadMark.open(join(home, 'nowhere', 'view')).close();
});
