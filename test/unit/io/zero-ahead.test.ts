/** Files whose writes are durable when they are answered: the zeros behind them cost no byte of what was written. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { createNodeIo } from '../../../src/io/node-io.js';

const PIECE_BYTES = 24 * 1024;

let directory: string;

beforeEach(async () => {
	directory = await mkdtemp(join(tmpdir(), 'perigee-zeros-'));
});

afterEach(() => rm(directory, { recursive: true }));

function pieceOf(index: number): Buffer {
	return Buffer.alloc(PIECE_BYTES, 1 + (index % 255));
}

test('a file written piece by piece has its bytes and zeros behind them, and when it is closed its bytes alone', async () => {
	const path = join(directory, 'a.log');
	const file = await createNodeIo().open(path, 'create', { writeThrough: true });
	const pieces = Array.from({ length: 120 }, (_, index) => pieceOf(index));
	let sawZeros = false;
	for (const [index, piece] of pieces.entries()) {
		const end = (index + 1) * PIECE_BYTES;
		assert.equal(await file.writev([piece.subarray(0, 100), piece.subarray(100)], index * PIECE_BYTES), PIECE_BYTES);
		await file.fdatasync();
		const bytes = await readFile(path);
		assert.ok(bytes.subarray(0, end).equals(Buffer.concat(pieces.slice(0, index + 1))));
		assert.ok(bytes.subarray(end).every((byte) => byte === 0));
		sawZeros ||= bytes.length > end;
	}
	assert.ok(sawZeros);
	await file.close();
	assert.ok((await readFile(path)).equals(Buffer.concat(pieces)));
});

test('writes that run at the same time keep their bytes', async () => {
	const path = join(directory, 'd.log');
	const file = await createNodeIo().open(path, 'create', { writeThrough: true });
	const pieces = Array.from({ length: 200 }, (_, index) => pieceOf(index));
	for (let from = 0; from < pieces.length; from += 20) {
		const batch = pieces.slice(from, from + 20);
		await Promise.all(batch.map((piece, index) => file.writev([piece], (from + index) * PIECE_BYTES)));
	}
	await file.close();
	assert.ok((await readFile(path)).equals(Buffer.concat(pieces)));
});

test('a short file goes without zeros', async () => {
	const path = join(directory, 'b.log');
	const file = await createNodeIo().open(path, 'create', { writeThrough: true });
	await file.writev([pieceOf(1)], 0);
	await file.writev([pieceOf(2)], PIECE_BYTES);
	assert.equal((await stat(path)).size, 2 * PIECE_BYTES);
	await file.close();
	assert.equal((await stat(path)).size, 2 * PIECE_BYTES);
});

test('a write that overwrites keeps the length, and the file takes no writes once it is closed', async () => {
	const path = join(directory, 'c.log');
	const file = await createNodeIo().open(path, 'create', { writeThrough: true });
	for (const index of [0, 1, 2, 3]) await file.writev([pieceOf(index)], index * PIECE_BYTES);
	await file.writev([pieceOf(9)], PIECE_BYTES);
	await file.close();
	const expected = Buffer.concat([0, 9, 2, 3].map(pieceOf));
	assert.ok((await readFile(path)).equals(expected));
	await assert.rejects(() => file.writev([pieceOf(1)], 0), { code: 'EBADF' });
});
