/** Damage on the disk of a running node: the alarm rings everywhere it should, nothing wrong is served, and the same upload ends it. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SEGMENT_BYTES } from '../../src/units.js';
import { damageContent } from '../support/damage.js';
import { runCli, spawnCli, temporaryDirectory } from '../support/processes.js';
import { ask } from '../support/rest-server.js';

interface Node {
	readonly port: number;
	readonly admin: string;
	readonly logged: () => string;
	stop(): Promise<number | null>;
}

async function start(t: TestContext, dataDir: string): Promise<Node> {
	const child = spawnCli(['start', '--data-dir', dataDir, '--http', '127.0.0.1:0', '--json'], {
		env: { PERIGEE_STORAGE_SCRUB_TRANQUILITY: '0' },
	});
	t.after(() => void child.kill('SIGKILL'));
	let logged = '';
	child.stderr?.on('data', (chunk: Buffer) => (logged += chunk.toString()));
	const [said] = (await Promise.race([once(child.stdout!, 'data'), once(child, 'exit')])) as [Buffer | number | null];
	if (!Buffer.isBuffer(said)) throw new Error(`the node ended with ${said}: ${logged}`);
	const { listeners } = JSON.parse(readFileSync(join(dataDir, 'node.json'), 'utf8')) as {
		listeners: { http: string; admin: string };
	};
	return {
		port: Number(new URL(listeners.http).port),
		admin: listeners.admin,
		logged: () => logged,
		async stop() {
			child.kill('SIGTERM');
			const [code] = (await once(child, 'exit')) as [number | null];
			return code;
		},
	};
}

async function admin<T>(node: Node, ...args: readonly string[]): Promise<T[]> {
	const ran = await runCli([...args, '--admin', node.admin, '--json']);
	assert.equal(ran.code, 0, ran.stderr);
	const lines = ran.stdout.toString().split('\n').filter(Boolean);
	return lines.map((line) => JSON.parse(line) as T);
}

interface State {
	readonly state: string;
	readonly last?: { readonly endedAt: string; readonly damaged: number; readonly segments: number };
}

/** Starts a pass and waits for its end. */
async function scrub(node: Node): Promise<NonNullable<State['last']>> {
	const [before] = await admin<State>(node, 'scrub', 'status');
	await admin<State>(node, 'scrub', 'start');
	for (;;) {
		const { json } = await ask({ port: Number(new URL(node.admin).port) }, '/v1/admin/scrub');
		const { state, last } = json as unknown as State;
		if (state === 'idle' && last && last.endedAt !== before?.last?.endedAt) return last;
	}
}

async function metric(node: Node, name: string): Promise<number> {
	const { text } = await ask(node, '/metrics');
	const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
	return Number(line?.slice(name.length + 1) ?? Number.NaN);
}

test('a deliberately damaged file rings every alarm, is never served wrong, and is healed by the same upload', async (t) => {
	const dataDir = join(temporaryDirectory(t), 'data');
	let node = await start(t, dataDir);
	const large = randomBytes(3 * SEGMENT_BYTES + 1000);
	const small = randomBytes(5000);
	const whole = randomBytes(70_000);
	const roots: string[] = [];
	for (const body of [large, small, whole])
		roots.push(String((await ask(node, '/v1/upload/f', { method: 'PUT', body })).json['root']));
	assert.equal((await scrub(node)).damaged, 0);
	assert.deepEqual(await admin(node, 'errors', 'list'), []);

	await damageContent(dataDir, 'bulk', large, SEGMENT_BYTES + 9);
	await damageContent(dataDir, 'small', small, 100);
	assert.equal((await scrub(node)).damaged, 2);
	assert.equal(await metric(node, 'perigee_damage_found_total{where="scrub"}'), 2);
	assert.equal(await metric(node, 'perigee_damaged_places'), 2);
	const ready = await ask(node, '/health/ready');
	assert.equal(ready.status, 200);
	assert.deepEqual(
		(ready.json['reasons'] as { code: string }[]).map(({ code }) => code),
		['DATA_DAMAGED'],
	);
	const lines = node.logged().split('\n');
	assert.equal(lines.filter((line) => line.includes('the same upload heals it')).length, 2);
	const expectListed = async (): Promise<void> => {
		const listed = await admin<{ root: string; segment: number; reason: string }>(node, 'errors', 'list');
		assert.deepEqual(
			listed.map(({ root, segment, reason }) => [root, segment, reason]).sort(),
			[
				[roots[0], 1, 'checksum'],
				[roots[1], 0, 'checksum'],
			].sort(),
		);
	};
	await expectListed();
	const text = await runCli(['errors', 'list', '--admin', node.admin]);
	assert.match(text.stdout.toString(), new RegExp(`^${roots[1]} segment 0: checksum, in small `, 'm'));

	// Nothing wrong leaves the node; what is right does.
	const read = await ask(node, `/v1/files/${roots[0]}`).catch(() => undefined);
	assert.ok(!read || read.status === 500 || !read.body.equals(large));
	if (read?.status === 200) assert.ok(large.subarray(0, read.body.length).equals(read.body));
	assert.equal((await ask(node, `/v1/files/${roots[1]}`)).json['code'], 'DATA_DAMAGED');
	assert.ok((await ask(node, `/v1/files/${roots[2]}`)).body.equals(whole));
	for (const [index, finalized] of [false, false, true].entries())
		assert.equal((await ask(node, `/v1/files/${roots[index]}/info`)).json['finalized'], finalized);

	// After a restart it is known without a new look.
	assert.equal(await node.stop(), 0);
	node = await start(t, dataDir);
	await expectListed();

	for (const body of [large, small])
		assert.equal((await ask(node, '/v1/upload/f', { method: 'PUT', body })).status, 201);
	assert.deepEqual(await admin(node, 'errors', 'list'), []);
	assert.deepEqual((await ask(node, '/health/ready')).json['reasons'], []);
	assert.equal((await scrub(node)).damaged, 0);
	for (const [index, body] of [large, small, whole].entries()) {
		assert.ok((await ask(node, `/v1/files/${roots[index]}`)).body.equals(body));
		assert.equal((await ask(node, `/v1/files/${roots[index]}/info`)).json['finalized'], true);
	}
	assert.equal(await node.stop(), 0);
});

test('the scrub verbs say what they cannot do', async (t) => {
	const node = await start(t, join(temporaryDirectory(t), 'data'));
	for (const [args, code, reason] of [
		[['scrub', 'nonsense', '--admin', node.admin], 2, /Allowed choices are start, pause, status/],
		[['scrub'], 2, /missing required argument/],
		[['errors', 'list', '--admin', 'http://127.0.0.1:1'], 5, /--admin/],
	] as const) {
		const ran = await runCli(args);
		assert.equal(ran.code, code, ran.stderr);
		assert.match(ran.stderr, reason);
	}
	const paused = await runCli(['scrub', 'pause', '--admin', node.admin]);
	assert.match(paused.stdout.toString(), /^state: paused\n/);
	const started = await runCli(['scrub', 'start', '--admin', node.admin]);
	assert.match(started.stdout.toString(), /^state: (running|idle)\n/);
});
