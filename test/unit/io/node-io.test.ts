import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { createNodeIo } from '../../../src/io/node-io.js';
import { logChecksums } from '../../../src/log-layer/log-checksums.js';
import { readRight } from '../../../src/native/addon.js';
import { Prng } from '../../support/prng.js';
import { storageIoCompliance } from './storage-io.compliance.js';

async function temporary(): Promise<{ directory: string; dispose(): Promise<void> }> {
	const directory = await mkdtemp(join(tmpdir(), 'perigee-io-'));
	return { directory, dispose: () => rm(directory, { recursive: true, force: true }) };
}

storageIoCompliance('the file system of this machine', async () => ({
	io: createNodeIo(),
	...(await temporary()),
}));

describe('nodeIo', () => {
	it('a disk that takes nothing is ENOSPC', { skip: !existsSync('/dev/full') }, async () => {
		const file = await createNodeIo().open('/dev/full', 'write');
		await assert.rejects(file.writev([Buffer.alloc(10)], 0), { code: 'ENOSPC' });
		await file.close();
	});

	it('a write that the system takes only in part answers the short count, also over many buffers', async () => {
		const { directory, dispose } = await temporary();
		const program = `
			const { createNodeIo } = await import(${JSON.stringify(import.meta.resolve('../../../src/io/node-io.js'))});
			const file = await createNodeIo().open(${JSON.stringify(join(directory, 'a'))}, 'create');
			console.log(await file.writev(Array.from({ length: 3000 }, () => Buffer.alloc(10)), 0));
		`;
		const limited = 'trap "" XFSZ; ulimit -f 4; exec "$@"';
		const node = [process.execPath, '--input-type=module', '-e', program];
		const { stdout } = await promisify(execFile)('bash', ['-c', limited, 'bash', ...node]);
		assert.equal(Number(stdout), 4096);
		await dispose();
	});

	it('never writes to a file that took over the number of a closed one', async () => {
		const { directory, dispose } = await temporary();
		const io = createNodeIo();
		const first = await io.open(join(directory, 'first'), 'create');
		const writes = Array.from({ length: 64 }, (_, index) => first.writev([Buffer.alloc(4096, 1)], index * 4096));
		const closed = first.close();
		const others = await Promise.all(
			Array.from({ length: 8 }, (_, index) => io.open(join(directory, `other${index}`), 'create')),
		);
		await Promise.all([...writes, closed]);
		for (const other of others) assert.equal(await other.size(), 0);
		assert.deepEqual(await io.stat(first.path), { sizeBytes: 64 * 4096 });
		await Promise.all(others.map((other) => other.close()));
		await dispose();
	});

	it('reads and compares in one go, or says that something is wrong and not what', async () => {
		const { directory, dispose } = await temporary();
		const io = createNodeIo({ readRight });
		const bytes = new Prng(1).bytes(1_000_001);
		const path = join(directory, 'a');
		await writeFile(path, bytes);
		const file = await io.open(path, 'read');
		const check = async (from: number, to: number, expected: Uint8Array): Promise<Buffer | undefined> => {
			const buffer = Buffer.alloc(to - from);
			return (await file.readRight?.(buffer, from, logChecksums.blockCrcs(expected))) ? buffer : undefined;
		};
		for (const [from, to] of [
			[0, 1],
			[0, bytes.length],
			[5, 4096 + 5],
			[131_072, 3 * 131_072],
			[999_000, bytes.length],
		] as const)
			assert.ok((await check(from, to, bytes.subarray(from, to)))?.equals(bytes.subarray(from, to)), `${from} ${to}`);
		const wrong = Buffer.from(bytes);
		wrong[700_000] = (bytes[700_000] as number) ^ 1;
		assert.equal(await check(0, bytes.length, wrong), undefined);
		assert.equal(await check(0, bytes.length + 1, Buffer.concat([bytes, Buffer.alloc(1)])), undefined, 'too short');
		assert.equal(await check(0, bytes.length, bytes.subarray(0, 4096)), undefined, 'too few checksums');
		await file.close();
		await assert.rejects(check(0, 1, bytes.subarray(0, 1)), { code: 'EBADF' });
		assert.equal((await createNodeIo().open(path, 'read')).readRight, undefined);
		await dispose();
	});
});
