/** Configuration files for a test, and what a configuration is refused with. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { PerigeeError } from '../../src/errors.js';

/** Path of a file with this text, which goes with the test. */
export function configFile(t: TestContext, text: string, name = 'perigee.toml'): string {
	const directory = mkdtempSync(join(tmpdir(), 'perigee-config-'));
	t.after(() => rmSync(directory, { recursive: true }));
	const path = join(directory, name);
	writeFileSync(path, text);
	return path;
}

/** The text of the refusal. */
export function messageOf(run: () => unknown): string {
	try {
		run();
	} catch (error) {
		assert.ok(error instanceof PerigeeError && error.code === 'CONFIG_INVALID', String(error));
		return error.message;
	}
	throw new Error('nothing was refused');
}
