import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

const SCRIPTS = join(import.meta.dirname, '..', '..', '..', '..', 'scripts');

/** A folder that is gone after the test, with a copy of scripts/: the copy takes that folder for its checkout. */
export function checkoutWithScripts(context: TestContext): string {
	const checkout = mkdtempSync(join(tmpdir(), 'perigee-scripts-'));
	context.after(() => rmSync(checkout, { recursive: true, force: true }));
	mkdirSync(join(checkout, '.perigee-build'));
	cpSync(SCRIPTS, join(checkout, 'scripts'), { recursive: true });
	return checkout;
}
