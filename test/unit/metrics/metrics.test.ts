import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createMetrics, METRICS } from '../../../src/metrics/metrics.js';
import { watchProcess } from '../../../src/metrics/process-metrics.js';

test('every declared metric is registered under its name, type and help, and nothing else is', async () => {
	const { registry } = createMetrics();
	const registered = (await registry.getMetricsAsJSON()).map(({ name, type, help }) => ({
		name,
		type: String(type),
		help,
	}));
	const declared = Object.values(METRICS).map(({ name, type, help }) => ({ name, type, help }));
	assert.deepEqual(registered, declared);
});

test('names follow the rules of Prometheus', () => {
	for (const { name, type, help } of Object.values(METRICS)) {
		assert.match(name, /^perigee_[a-z0-9_]+$/);
		assert.equal(name.endsWith('_total'), type === 'counter', name);
		assert.match(help, /\.$/);
	}
});

test('two nodes in one process do not share their metrics', async () => {
	const one = createMetrics();
	const other = createMetrics();
	one.uploadBytes.inc(5);
	assert.match(await one.registry.metrics(), /perigee_upload_bytes_total 5/);
	assert.match(await other.registry.metrics(), /perigee_upload_bytes_total 0/);
});

test('every declared metric is set somewhere: none is shown that nobody measures', () => {
	const sources = sourceFiles(new URL('../../../../src/', import.meta.url)).filter(
		(path) => !path.endsWith('/metrics/metrics.ts'),
	);
	const text = sources.map((path) => readFileSync(path, 'utf8')).join('\n');
	const idle = Object.keys(METRICS).filter((key) => !new RegExp(`\\b(?:metrics|#metrics)\\.${key}\\b`).test(text));
	assert.deepEqual(idle, []);
});

test('the process tells its memory, processor time and event-loop delay', async (t) => {
	const metrics = createMetrics();
	const process = watchProcess(metrics);
	t.after(() => process.stop());
	process.refresh();
	const text = await metrics.registry.metrics();
	assert.match(text, /^perigee_resident_memory_bytes [1-9]\d+/m);
	assert.match(text, /^perigee_cpu_seconds_total\{kind="user"\} \d/m);
	assert.match(text, /^perigee_event_loop_delay_seconds\{quantile="0\.99"\} \d/m);
	assert.doesNotMatch(text, /NaN/);
});

function sourceFiles(directory: URL): string[] {
	return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
		const path = new URL(entry.isDirectory() ? `${entry.name}/` : entry.name, directory);
		if (entry.isDirectory()) return sourceFiles(path);
		return entry.name.endsWith('.ts') ? [path.pathname] : [];
	});
}
