import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ADMIN_ENDPOINTS } from '../../../src/api/admin/definitions.js';
import { ENDPOINTS } from '../../../src/api/rest/definitions.js';
import { EXIT_CODES } from '../../../src/cli/exit-codes.js';
import { SETTINGS } from '../../../src/config/schema.js';
import { ERRORS } from '../../../src/errors.js';
import { METRICS } from '../../../src/metrics/metrics.js';
import { GENERATED_FILES } from '../../support/generated-docs.js';

const read = (path: string) => readFileSync(new URL(`../../../../${path}`, import.meta.url), 'utf8');

for (const [path, generate] of Object.entries(GENERATED_FILES)) {
	test(`${path} says what the code says`, () => {
		assert.equal(read(path), generate(), `run: npm run generate`);
	});
}

test('the generated parts name every code, metric, setting, address and exit code', () => {
	const parts: readonly (readonly [string, readonly string[]])[] = [
		['docs/errors.md', Object.keys(ERRORS).map((code) => `| \`${code}\` |`)],
		['docs/metrics.md', Object.values(METRICS).map((metric) => `| \`${metric.name}\` |`)],
		['docs/configuration.md', SETTINGS.map((setting) => `| \`${setting.key}\` |`)],
		['docs/api.md', Object.values(ENDPOINTS).map(({ methods, url }) => `### ${methods.join(', ')} ${url}\n`)],
		['docs/api.md', Object.values(ADMIN_ENDPOINTS).map(({ methods, url }) => `### ${methods.join(', ')} ${url}\n`)],
		['docs/cli.md', Object.values(EXIT_CODES).map(({ code }) => `| ${code} |`)],
	];
	for (const [path, expected] of parts) {
		const text = read(path);
		for (const words of expected) assert.ok(text.includes(words), `${path}: ${words}`);
	}
});
