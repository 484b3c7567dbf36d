import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix, sep } from 'node:path';
import { describe, test } from 'node:test';
import { violationsOf } from './import-rules.js';
import { importsOf } from './import-scanner.js';

// Tests run from dist/test/unit/architecture, the sources they judge are those of the checkout.
const SOURCE_DIRECTORY = join(import.meta.dirname, '..', '..', '..', '..', 'src');

function violationsIn(path: string, source: string): string[] {
	return violationsOf(path, importsOf(source));
}

describe('import direction (docs/architecture.md §3)', () => {
	test('every import of src points down and keeps its place', () => {
		const files = readdirSync(SOURCE_DIRECTORY, { recursive: true, encoding: 'utf8' }).filter((path) =>
			path.endsWith('.ts'),
		);
		assert.ok(files.length > 0, 'there are sources to judge');
		const violations = files.flatMap((file) =>
			violationsIn(file.split(sep).join('/'), readFileSync(join(SOURCE_DIRECTORY, file), 'utf8')),
		);
		assert.deepEqual(violations, []);
	});

	test('nothing that src/client needs at run time needs a package or Node', () => {
		const reached = new Set(readdirSync(join(SOURCE_DIRECTORY, 'client')).map((name) => `client/${name}`));
		const bare: string[] = [];
		for (const path of reached) {
			for (const { specifier, typeOnly } of importsOf(readFileSync(join(SOURCE_DIRECTORY, path), 'utf8'))) {
				if (typeOnly) continue;
				if (specifier.startsWith('.')) reached.add(posix.join(posix.dirname(path), specifier.replace(/\.js$/, '.ts')));
				else bare.push(`${path} imports ${specifier}`);
			}
		}
		assert.ok(reached.size > 2);
		assert.deepEqual(bare, []);
	});

	const refused: [path: string, source: string, reason: RegExp][] = [
		['db/rocks.ts', `import { FileStore } from '../log-layer/file-store.js';`, /db may not import log-layer/],
		['io/node-io.ts', `import { simd } from '../native/addon.js';`, /io may not import native/],
		['db/rocks.ts', `import type { Lane } from '../append-log/types.js';`, /db may not import append-log/],
		['log-layer/files.ts', `const api = await import('../api/rest/files.js');`, /log-layer may not import api/],
		['log-layer/files.ts', `let x: import('../kv-layer/kv.js').Kv;`, /log-layer may not import kv-layer/],
		['pora/mine.ts', `export * from '../sync/peers.js';`, /pora may not import sync/],
		['api/server.ts', `import { startNode } from '../node.js';`, /api may not import node/],
		['node.ts', `import { main } from './cli/main.js';`, /node may not import cli/],
		['units.ts', `import { LIMITS } from './limits.js';`, /units may not import limits/],
		['log-layer/files.ts', `import addon from '#addon';`, /only src\/native imports the addon/],
		['log-layer/files.ts', `const rocks = createRequire(import.meta.url)('rocksdb');`, /only src\/db says rocksdb/],
		['log-layer/files.ts', `const rocks = require('rocksdb');`, /only src\/db says rocksdb/],
		['append-log/lane.ts', `import { open } from 'node:fs/promises';`, /through StorageIo/],
		['settlement/embedded/embedded.ts', `import { open } from '../../append-log/append-log.js';`, /one writer/],
		['client/client.ts', `import { server } from '../api/http-server.js';`, /endpoint definitions/],
		['client/client.ts', `import { Buffer } from 'node:buffer';`, /nothing of Node/],
		['client/client.ts', `import { Type } from 'typebox';`, /no packages/],
		['client/client.ts', `import { LIMITS } from '../limits.js';`, /client may not import limits/],
		['cli/main.ts', `import x from '../../bench/run.js';`, /outside of src/],
		['attic/old.ts', '', /no room/],
	];
	for (const [path, source, reason] of refused) {
		test(`refuses ${source || 'an unknown room'} in ${path}`, () => {
			const violations = violationsIn(path, source);
			assert.equal(violations.length, 1);
			assert.match(violations[0] ?? '', reason);
		});
	}

	const accepted: [path: string, source: string][] = [
		['cli/start.ts', `import { startNode } from '../node.js';`],
		['settlement/journal.ts', `import { AppendLog } from '../append-log/append-log.js';`],
		['settlement/embedded/embedded.ts', `import type { Group } from '../../append-log/types.js';`],
		['settlement/embedded/embedded.ts', `import { type Group, type Lane } from '../../append-log/types.js';`],
		['client/client.ts', `import { upload } from '../api/rest/upload.js';`],
		['native/addon.ts', `import * as addon from '#addon';`],
		['io/clock.ts', `// import { x } from '../cli/main.js';`],
		['io/clock.ts', `/* import { x } from '../cli/main.js'; */`],
		['log-layer/flow.ts', `import { hashPair } from '../native/addon.js';\nimport { LIMITS } from '../limits.js';`],
	];
	for (const [path, source] of accepted) {
		test(`accepts ${source} in ${path}`, () => assert.deepEqual(violationsIn(path, source), []));
	}
});

describe('import scanner', () => {
	test('finds every form of import, on its line', () => {
		const source = [
			`import a from 'one';`,
			`import {`,
			`	b,`,
			`	type C,`,
			`} from "two";`,
			`import 'three';`,
			`export { d } from 'four';`,
			`export type { E } from 'five';`,
			`import type F from 'six';`,
			`const g = await import('seven');`,
			`type H = import('eight').H;`,
			`const url = 'http://a'; import i from 'nine';`,
			`import { type J } from 'ten'; import * as k from 'eleven';`,
			`const text = "it's"; const l = require('twelve');`,
		].join('\n');
		assert.deepEqual(
			importsOf(source).map(({ specifier, typeOnly, line }) => [specifier, typeOnly, line]),
			[
				['one', false, 1],
				['two', false, 5],
				['three', false, 6],
				['four', false, 7],
				['five', true, 8],
				['six', true, 9],
				['seven', false, 10],
				['eight', true, 11],
				['nine', false, 12],
				['ten', true, 13],
				['eleven', false, 13],
				['twelve', false, 14],
			],
		);
	});

	test('an exported declaration is no import', () => {
		assert.deepEqual(
			importsOf(`export const a = 1;\nexport function from(): string { return 'b'; }\nconst c = x.import('y');`),
			[],
		);
	});
});
