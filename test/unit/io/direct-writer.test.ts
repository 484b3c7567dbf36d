import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { DirectWriter } from '../../../src/io/direct-writer.js';
import { createNodeIo } from '../../../src/io/node-io.js';
import { misalignment } from '../../../src/native/addon.js';
import { Prng } from '../../support/prng.js';

async function inDirectory(run: (directory: string) => Promise<void>): Promise<void> {
	const directory = await mkdtemp(join(tmpdir(), 'perigee-direct-'));
	try {
		await run(directory);
	} finally {
		await rm(directory, { recursive: true, force: true });
	}
}

/** Random bytes whose memory begins `shift` bytes behind a multiple of 4,096. */
function bytesAt(prng: Prng, shift: number, length: number): Uint8Array {
	const memory = Buffer.allocUnsafeSlow(length + 8192);
	const bytes = memory.subarray(4096 - misalignment(memory, 4096) + shift).subarray(0, length);
	bytes.set(prng.bytes(length));
	return bytes;
}

describe('direct writes', () => {
	it('bring pieces of any length and alignment to the file in order, whichever way each write takes', () =>
		inDirectory(async (directory) => {
			const prng = new Prng(7);
			const path = join(directory, 'a');
			const file = await createNodeIo({ misalignment }).open(path, 'create', { direct: true });
			const expected: Uint8Array[] = [];
			let position = 0;
			for (let write = 0; write < 60; write++) {
				const pieces = Array.from({ length: 1 + prng.below(6) }, () =>
					prng.chance(0.5)
						? bytesAt(prng, 512 * prng.below(3), 4096 * (1 + prng.below(4)))
						: bytesAt(prng, prng.below(600), 1 + prng.below(9000)),
				);
				const sizeBytes = pieces.reduce((sum, { length }) => sum + length, 0);
				// Most writes are whole blocks, as those of the log are.
				if (prng.chance(0.8) && sizeBytes % 4096 > 0) pieces.push(bytesAt(prng, 1, 4096 - (sizeBytes % 4096)));
				const total = pieces.reduce((sum, { length }) => sum + length, 0);
				assert.equal(await file.writev(pieces, position), total);
				expected.push(...pieces.map((piece) => Uint8Array.from(piece)));
				position += total;
			}
			await file.fdatasync();
			await file.close();
			assert.ok(Buffer.concat(expected).equals(await readFile(path)));
		}));

	it('are seen by reads through the page cache that had the old bytes', () =>
		inDirectory(async (directory) => {
			const path = join(directory, 'a');
			const file = await createNodeIo({ misalignment }).open(path, 'create', { direct: true });
			const into = Buffer.alloc(8192);
			for (const byte of [1, 2, 3]) {
				await file.writev([Buffer.alloc(8192, byte)], 0);
				await file.read(into, 0);
				assert.ok(into.equals(Buffer.alloc(8192, byte)));
			}
			await file.close();
		}));

	it('that the system refuses are left to the ordinary way', () =>
		inDirectory(async (directory) => {
			const path = join(directory, 'a');
			const io = createNodeIo({ misalignment: () => 0 });
			const file = await io.open(path, 'create', { direct: true });
			const odd = bytesAt(new Prng(1), 3, 8192);
			assert.equal(await file.writev([odd], 0), 8192);
			await file.close();
			assert.ok((await readFile(path)).equals(odd));
		}));

	it('answer what the system says about a disk that takes nothing', () =>
		inDirectory(async (directory) => {
			const path = join(directory, 'a');
			const fd = fs.openSync(path, 'wx');
			const writer = new DirectWriter(fd, misalignment);
			await writer.close();
			await assert.rejects(writer.writev([bytesAt(new Prng(1), 0, 4096)], 0), { code: 'EBADF' });
		}));
});
