// `npm run generate` writes every generated file of the checkout; with `--check` it writes nothing and fails if one differs
// from what would be written. The files and their generators stand in test/support/generated-docs.ts.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootstrap } from './bootstrap.mjs';
import { rootDirectory } from './build/common.mjs';
import { readIfPresent } from './build/state.mjs';

await bootstrap();
const { GENERATED_FILES } = await import('../dist/test/support/generated-docs.js');
const isCheck = process.argv.includes('--check');
for (const [path, generate] of Object.entries(GENERATED_FILES)) {
	const absolute = join(rootDirectory, path);
	const text = generate();
	if (readIfPresent(absolute) === text) continue;
	if (isCheck) {
		console.error(`perigee: ${path} differs from what is generated; run: npm run generate`);
		process.exitCode = 1;
	} else {
		writeFileSync(absolute, text);
		console.error(`perigee: wrote ${path}`);
	}
}
