import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeDirectories } from '../../../src/cli/make-directories.js';
import { UploadNote } from '../../../src/cli/upload-notes.js';
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

test('an upload goes on without notes where none can be written', {
	skip: isLinux ? false : 'there is no /proc',
}, async (t) => {
	const before = process.env['XDG_STATE_HOME'];
	process.env['XDG_STATE_HOME'] = '/proc/1/nothing';
	t.after(() => {
		if (before === undefined) delete process.env['XDG_STATE_HOME'];
		else process.env['XDG_STATE_HOME'] = before;
	});
	const file = join(temporaryDirectory(t), 'file');
	await writeFile(file, 'content');
	const note = await UploadNote.of('http://127.0.0.1:1', file, []);
	await note.write(`/v1/tus/${'a'.repeat(32)}`);
	assert.equal(await note.read(), undefined);
	await note.remove();
});
