import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeDirectories } from '../../../src/cli/make-directories.js';
import { temporaryDirectory } from '../../support/processes.js';

test('directories are made with those above them, also again', async (t) => {
	const path = join(temporaryDirectory(t), 'a', 'b', 'c');
	await makeDirectories(path, 0o700);
	await makeDirectories(path);
	const { mode } = await stat(path);
	assert.equal(mode & 0o777, 0o700);
	await writeFile(join(path, 'file'), '');
	await assert.rejects(makeDirectories(join(path, 'file', 'd')), { code: 'ENOTDIR' });
});

const isLinux = process.platform === 'linux';

test('a place where nothing can be made ends with an error', {
	skip: isLinux ? false : 'there is no /proc',
}, async () => {
	await assert.rejects(makeDirectories('/proc/1/nothing/here/can/be'), { code: 'ENOENT' });
});
