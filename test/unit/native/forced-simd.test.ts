import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fileRoot, simd, simdAvailable } from '../../../src/native/addon.js';
import { hexOf } from '../../../src/units.js';

/** What this file prints when it runs itself: the kernel in use, and the root it finds for each vector. */
interface Report {
	readonly simd: string;
	readonly roots: readonly string[];
}

interface FileVector {
	readonly content: string;
	readonly size: number;
	readonly dataRoot?: string;
}

const VECTORS = join(import.meta.dirname, '..', '..', '..', '..', 'test', 'vectors', 'file-merkle.json');
const CHILD = 'report';
const run = promisify(execFile);

/** The byte formulas that the `content` object of the vectors states. */
const CONTENT: Readonly<Record<string, (index: number) => number>> = {
	lcg31_7: (index) => index * 31 + 7,
	zeros: () => 0,
	mixed: (index) => index * 31 + Math.floor(index / 256) * 7 + Math.floor(index / 65_536) * 13 + 7,
};

function vectors(): FileVector[] {
	const { vectors: all } = JSON.parse(readFileSync(VECTORS, 'utf8')) as { vectors: FileVector[] };
	return all.filter(({ dataRoot }) => dataRoot !== undefined);
}

function contentOf({ content, size }: FileVector): Uint8Array {
	const byteAt = CONTENT[content];
	assert.ok(byteAt !== undefined, `the formula of ${content} is known`);
	return Uint8Array.from({ length: size }, (_, index) => byteAt(index) & 0xff);
}

function runForced(level: string): Promise<{ stdout: string; stderr: string }> {
	return run(process.execPath, [fileURLToPath(import.meta.url), CHILD], {
		env: { ...process.env, PERIGEE_SIMD: level },
	});
}

if (process.argv[2] === CHILD) {
	const report: Report = { simd: simd(), roots: vectors().map((vector) => hexOf(fileRoot(contentOf(vector)).root)) };
	process.stdout.write(JSON.stringify(report));
} else {
	for (const level of simdAvailable()) {
		test(`PERIGEE_SIMD=${level} hashes with that kernel and finds the root of every vector`, async () => {
			const { stdout } = await runForced(level);
			const expected = vectors().map(({ dataRoot }) => dataRoot);
			assert.ok(expected.length > 0, 'there are vectors');
			assert.deepEqual(JSON.parse(stdout), { simd: level, roots: expected });
		});
	}

	test('an unknown PERIGEE_SIMD is refused', async () => {
		await assert.rejects(runForced('mmx'), /PERIGEE_SIMD/);
	});
}
