// `npm test [-- <part of a path> …]`: sets the checkout up, then runs the tests of Rust (`cargo test`) and of TypeScript
// (`node --test`). Patterns pick test files by a part of their path; `rust` and `native` pick the Rust tests too.
// Ends with one line of counts, and with code 1 when a test failed or none ran.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { join } from 'node:path';
import { bootstrap } from './bootstrap.mjs';
import { rootDirectory } from './build/common.mjs';
import { cargoTarget } from './build/cargo.mjs';
import { filesBelow } from './build/state.mjs';

const CONCURRENT_FILES = 2;
const FILE_TIMEOUT_MS = 900_000;

process.env.UV_THREADPOOL_SIZE ??= '8';
const patterns = process.argv.slice(2);
await bootstrap();
const counts = { passed: 0, failed: 0, skipped: 0 };
if (isPicked('native/rust')) await runRust();
await runTypeScript();
const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : '';
if (counts.passed + counts.failed === 0) console.error('perigee: no test ran');
console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;

function isPicked(path) {
	return patterns.length === 0 || patterns.some((pattern) => path.includes(pattern));
}

/** The addon's target and profile are used, so that its dependencies are not compiled a second time. */
async function runRust() {
	const args = ['test', '--release', '--no-default-features', '--target', cargoTarget()];
	const cargo = spawn('cargo', args, { cwd: rootDirectory, stdio: ['ignore', 'pipe', 'inherit'] });
	const ended = new Promise((resolve, reject) => cargo.once('error', reject).once('close', resolve));
	let failed = 0;
	for await (const line of createInterface({ input: cargo.stdout })) {
		console.log(line);
		const result = /^test result: .* (\d+) passed; (\d+) failed; (\d+) ignored/.exec(line);
		if (result === null) continue;
		counts.passed += Number(result[1]);
		failed += Number(result[2]);
		counts.skipped += Number(result[3]);
	}
	// A crate that does not compile, or a test that ends its process, fails without a count.
	if ((await ended) !== 0) failed = Math.max(failed, 1);
	counts.failed += failed;
}

async function runTypeScript() {
	const isTest = (path) => path.endsWith('.test.js') && isPicked(path.slice('dist/test/'.length));
	const files = filesBelow('dist/test', isTest).map((path) => join(rootDirectory, path));
	if (files.length === 0) return;
	process.chdir(rootDirectory);
	const events = run({ files, concurrency: CONCURRENT_FILES, timeout: FILE_TIMEOUT_MS });
	events.on('test:pass', (event) => count(event, 'passed')).on('test:fail', (event) => count(event, 'failed'));
	const report = events.compose(new spec());
	report.pipe(process.stdout, { end: false });
	await finished(report);
}

/** Suites are counted by their tests. */
function count({ details, skip, todo }, outcome) {
	if (details.type === 'suite') return;
	counts[skip === undefined && todo === undefined ? outcome : 'skipped'] += 1;
}
