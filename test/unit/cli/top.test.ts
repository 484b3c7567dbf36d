import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type NodeState, nodeStateOf, type Scrape } from '../../../src/cli/node-state.js';
import { type Bucket, quantileOf, Samples } from '../../../src/cli/prometheus-text.js';
import { linesOf } from '../../../src/cli/top-lines.js';
import { LIMITS } from '../../../src/limits.js';
import { createMetrics, type Metrics } from '../../../src/metrics/metrics.js';
import { ask, put } from '../../support/rest-server.js';
import { runCli, spawnCli, temporaryDirectory } from '../../support/processes.js';

describe('the text of Prometheus', () => {
	it('is read as a node writes it', async () => {
		const metrics = createMetrics();
		metrics.errors.inc({ code: 'with "quotes", \\ and \n' }, 3);
		metrics.submissions.set(1e21);
		metrics.httpSeconds.observe({ route: '/x' }, 0.002);
		metrics.residentBytes.set(Number.NaN);
		const samples = new Samples(await metrics.registry.metrics());
		assert.deepEqual(samples.of('perigee_errors_total'), [{ labels: { code: 'with "quotes", \\ and \n' }, value: 3 }]);
		assert.equal(samples.sum('perigee_submissions'), 1e21);
		assert.ok(Number.isNaN(samples.of('perigee_resident_memory_bytes')[0]?.value));
		const buckets = samples.of('perigee_http_request_seconds_bucket');
		assert.deepEqual(buckets.at(-1), { labels: { le: '+Inf', route: '/x' }, value: 1 });
		assert.equal(samples.sum('nothing'), 0);
	});

	it('that is something else is passed over, and what is too much is', () => {
		const samples = new Samples('# HELP a b\na 1\nb{x="1"} +Inf\nc\nd one\n{e} 5\nf 1e3 1700000000\n a 9\n<html>\n');
		assert.deepEqual([samples.sum('a'), samples.sum('b'), samples.sum('f')], [1, Number.POSITIVE_INFINITY, 1000]);
		for (const name of ['c', 'd', 'e', 'html']) assert.deepEqual(samples.of(name), []);
		const many = new Samples('a 1\n'.repeat(LIMITS.clientMetricSamples + 100));
		assert.equal(many.sum('a'), LIMITS.clientMetricSamples);
	});

	it('gives quantiles of histograms', () => {
		const buckets = (...counts: number[]): Bucket[] =>
			[1, 2, 4, Number.POSITIVE_INFINITY].map((bound, at) => ({ bound, count: counts[at] as number }));
		assert.equal(quantileOf(buckets(0, 0, 0, 0), 0.5), undefined);
		assert.equal(quantileOf([], 0.5), undefined);
		assert.equal(quantileOf(buckets(10, 10, 10, 10), 0.5), 0.5);
		assert.equal(quantileOf(buckets(0, 10, 10, 10), 0.5), 1.5);
		assert.equal(quantileOf(buckets(50, 90, 100, 100), 0.99), 3.8);
		assert.equal(quantileOf(buckets(0, 0, 0, 7), 0.99), 4);
	});
});

/** One scrape of metrics that a test has set. */
async function scraped(atMs: number, set: (metrics: Metrics) => void): Promise<Scrape> {
	const metrics = createMetrics();
	set(metrics);
	return { samples: new Samples(await metrics.registry.metrics()), health: { ready: true, reasons: [] }, atMs };
}

describe('the state of a node', () => {
	it('is what happened between two scrapes', async () => {
		const count = (uploads: number, slow: number) => (metrics: Metrics) => {
			metrics.uploads.inc({ outcome: 'stored' }, uploads);
			metrics.uploads.inc({ outcome: 'existed' }, uploads);
			metrics.uploads.inc({ outcome: 'failed' }, 4);
			metrics.uploadBytes.inc(uploads * 1000);
			metrics.httpRequests.inc({ method: 'GET', route: '/v1/files/{root}/path/{path}', status: '206' }, uploads);
			metrics.httpRequests.inc({ method: 'GET', route: '/v1/files/{root}/info', status: '200' }, 99 * uploads);
			metrics.httpRequests.inc({ method: 'DELETE', route: '/v1/files/{root}', status: '204' }, 99 * uploads);
			metrics.httpRequests.inc({ method: 'GET', route: '/v1/files/{root}', status: '404' }, 99 * uploads);
			for (let at = 0; at < slow; at++) metrics.httpSeconds.observe({ route: '/v1/upload/{name}' }, 2);
			metrics.diskFreeBytes.set({ volume: '1' }, 500);
			metrics.diskReserveBytes.set({ volume: '1' }, 50);
			metrics.startTimeSeconds.set(10);
		};
		const state = nodeStateOf(
			'http://x',
			await scraped(20_000, count(10, 1000)),
			await scraped(22_000, count(30, 1010)),
		);
		assert.equal(state.uptimeSeconds, 12);
		assert.deepEqual(
			[state.uploads.perSecond, state.uploads.failedPerSecond, state.uploads.bytesPerSecond, state.downloads.perSecond],
			[20, 0, 10_000, 10],
		);
		assert.equal(state.uploads.p50Seconds, 1.75);
		assert.equal(state.downloads.p99Seconds, null);
		assert.deepEqual(state.disks, [{ volume: '1', freeBytes: 500, reserveBytes: 50 }]);
		const restarted = nodeStateOf('http://x', await scraped(20_000, count(30, 9)), await scraped(21_000, count(5, 2)));
		assert.equal(restarted.uploads.perSecond, 10);
		assert.equal(restarted.uploads.p50Seconds, 1.75);
	});

	it('is told in lines, whatever it is', async () => {
		const nothing = await scraped(0, () => {});
		const health = { ready: false, reasons: [{ code: 'X', message: 'a \x1b[2J b', ready: false }] };
		const lines = linesOf(nodeStateOf('http://x', nothing, { ...nothing, health, atMs: 1000 }));
		assert.ok(lines.some((line) => line.includes('NOT READY')));
		assert.equal(lines.at(-1), 'X: a \ufffd[2J b');
		for (const line of lines) assert.doesNotMatch(line, /NaN|undefined|\p{Cc}/u);
	});
});

/** A real node; answers its URL. */
async function start(t: TestContext): Promise<string> {
	const child = spawnCli([
		'start',
		'--data-dir',
		join(temporaryDirectory(t), 'data'),
		'--http',
		'127.0.0.1:0',
		'--json',
	]);
	t.after(async () => {
		child.kill();
		if (child.exitCode === null) await once(child, 'exit');
	});
	const [line] = (await once(child.stdout!, 'data')) as [Buffer];
	return (JSON.parse(line.toString()) as { url: string }).url;
}

/** What moves the cursor to the upper left, before each refresh. */
const HOME = '\x1b[H';

describe('perigee top', () => {
	it('tells what a real node does, once or again and again, until it is stopped', async (t) => {
		const node = await start(t);
		const rest = { port: Number(new URL(node).port) };
		const child = spawnCli(['top', '--json', '--node', node]);
		const states: NodeState[] = [];
		let isSeen = false;
		for await (const line of createInterface({ input: child.stdout! })) {
			const state = JSON.parse(line) as NodeState;
			states.push(state);
			isSeen ||= state.uploads.perSecond > 0 && state.downloads.perSecond > 0;
			if (isSeen && states.length >= 3) break;
			const root = await put(rest, randomBytes(300_000));
			await ask(rest, `/v1/files/${root}`);
		}
		child.kill('SIGINT');
		assert.deepEqual(await once(child, 'exit'), [0, null]);
		const busy = states.find(({ uploads, downloads }) => uploads.perSecond > 0 && downloads.perSecond > 0) as NodeState;
		assert.ok(busy.uploads.bytesPerSecond > 0 && busy.downloads.bytesPerSecond > 0 && busy.log.bytesPerSecond > 0);
		assert.ok((busy.uploads.p99Seconds ?? 0) > 0 && (busy.downloads.p50Seconds ?? 0) > 0);
		assert.ok((busy.disks[0]?.freeBytes ?? 0) > 0 && busy.process.residentBytes > 0 && busy.submissions > 0);
		assert.deepEqual([busy.ready, busy.node, busy.damaged], [true, node, { segments: 0, stretches: 0 }]);
		const plain = await runCli(['top', '--once', '--node', node]);
		assert.equal(plain.code, 0, plain.stderr);
		assert.match(plain.stdout.toString(), /^http:\S+ {2}version \S+ {2}up .* ready .*\n[^]*^uploads +0\.0 /m);
		assert.ok(!plain.stdout.includes('\x1b'));
	});

	it('shows a live view on a terminal, and leaves it as it was', {
		skip: existsSync('/usr/bin/script') ? false : 'script(1) is not installed',
	}, async (t) => {
		const node = await start(t);
		const runner = fileURLToPath(new URL('../../support/run-cli.js', import.meta.url));
		const command = `stty cols 60 rows 12; exec "${process.execPath}" "${runner}" top --node ${node}`;
		const child = spawn('script', ['-qefc', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'ignore'] });
		let seen = '';
		let isStopped = false;
		for await (const chunk of child.stdout) {
			seen += String(chunk);
			if (isStopped || seen.split(HOME).length < 3) continue;
			isStopped = true;
			child.stdin.write('\x03');
		}
		assert.ok(seen.startsWith('\x1b[?1049h\x1b[?25l'));
		assert.ok(seen.endsWith('\x1b[?25h\x1b[?1049l'));
		const frame = (seen.split(HOME)[1] ?? '').replaceAll('\x1b[K', '').replaceAll('\x1b[J', '').split(/\r?\n/);
		assert.ok(frame.length <= 12 && frame.every((line) => line.length < 60), JSON.stringify(frame));
	});

	it('tells when no node answers, or something else does', async (t) => {
		assert.equal((await runCli(['top', '--once', '--node', 'http://127.0.0.1:1'])).code, 5);
		for (const interval of ['0', 'x', '1.5', '9999'])
			assert.equal((await runCli(['top', '--interval', interval])).code, 2);
		const server = http.createServer(
			(_request, response) => void response.end('x'.repeat(LIMITS.clientMetricsBytes + 1)),
		);
		server.listen(0, '127.0.0.1');
		await once(server, 'listening');
		t.after(() => server.close());
		const ran = await runCli(['top', '--once', '--node', `http://127.0.0.1:${(server.address() as AddressInfo).port}`]);
		assert.equal(ran.code, 1);
		assert.match(ran.stderr, /longer than/);
	});
});
