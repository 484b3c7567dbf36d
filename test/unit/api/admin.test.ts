import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { startAdminServer } from '../../../src/api/admin/admin-server.js';
import { systemClock } from '../../../src/io/clock.js';
import { systemRandomness } from '../../../src/io/randomness.js';
import { DamageList } from '../../../src/log-layer/damage.js';
import type { ScrubStatus } from '../../../src/log-layer/types.js';
import { createMetrics } from '../../../src/metrics/metrics.js';
import type { DataRoot } from '../../../src/units.js';
import { MemoryFileStore } from '../../support/memory-file-store.js';
import { openAccess } from '../../support/open-access.js';
import { type Answer, ask } from '../../support/rest-server.js';
import { fakeMining } from '../../support/fake-mining.js';

const ROOT = `0x${'5a'.repeat(32)}` as DataRoot;

async function startAdmin(t: TestContext) {
	const calls: string[] = [];
	let state: ScrubStatus['state'] = 'idle';
	const damage = new DamageList(systemClock, { found: () => undefined });
	const status = (): ScrubStatus => ({ state, damagedSegments: damage.count, damagedStretches: 0 });
	const scrub = {
		start() {
			calls.push('start');
			state = 'running';
			return status();
		},
		pause() {
			calls.push('pause');
			state = 'paused';
			return status();
		},
		status,
	};
	const mining = fakeMining();
	const server = await startAdminServer(
		{ listen: { host: '127.0.0.1', port: 0 }, idleTimeoutMs: 60_000, minBytesPerSecond: 0, graceMs: 10_000 },
		{
			store: new MemoryFileStore(),
			refreshMetrics() {},
			shutdown() {},
			admin: { scrub, damage: (after, most) => damage.entries(after, most) },
			mining,
			metrics: createMetrics(),
			clock: systemClock,
			randomness: systemRandomness,
			access: openAccess(),
			log: { error() {}, warn() {} },
		},
	);
	t.after(() => server.close());
	return { calls, damage, mining, port: Number(new URL(server.url).port) };
}

describe('the admin listener', () => {
	it('stops and starts mining, and tells how it stands', async (t) => {
		const admin = await startAdmin(t);
		const states: unknown[] = [];
		for (const [method, path] of [
			['POST', '/stop'],
			['GET', ''],
			['POST', '/start'],
		] as const) {
			const answer = await ask(admin, `/v1/admin/mining${path}`, { method });
			assert.equal(answer.status, 200);
			states.push(answer.json['state']);
		}
		assert.deepEqual(states, ['stopped', 'stopped', 'mining']);
		assert.deepEqual(admin.mining.told, ['stop', 'start']);
	});

	it('starts, pauses and tells about the scrub', async (t) => {
		const admin = await startAdmin(t);
		const states: unknown[] = [];
		for (const [method, path] of [
			['POST', '/start'],
			['POST', '/pause'],
			['GET', ''],
		] as const) {
			const answer = await ask(admin, `/v1/admin/scrub${path}`, { method });
			assert.equal(answer.status, 200);
			states.push(answer.json['state']);
		}
		assert.deepEqual(
			[states, admin.calls],
			[
				['running', 'paused', 'paused'],
				['start', 'pause'],
			],
		);
		assert.equal((await ask(admin, '/v1/admin/scrub/start')).status, 405);
		assert.equal((await ask(admin, '/v1/files/x')).status, 404, 'it serves nothing else');
	});

	it('pages through the list of damage', async (t) => {
		const admin = await startAdmin(t);
		for (let segment = 0; segment < 5; segment++) {
			const place = { lane: 'bulk', fileNo: 3, offset: 4096, foundBy: 'scrub' } as const;
			admin.damage.add({ root: ROOT, objectId: 9n, segment, reason: 'checksum', ...place });
		}
		admin.damage.addStretch({ lane: 'small', fileNo: 1, from: 512, to: 1024, reason: 'copy', foundBy: 'open' });
		const seen: unknown[] = [];
		let next: number | undefined = 0;
		while (next !== undefined) {
			const { json }: Answer = await ask(admin, `/v1/admin/errors?after=${next}&limit=4`);
			seen.push(...(json['errors'] as unknown[]));
			next = json['next'] as number | undefined;
		}
		assert.equal(seen.length, 6);
		const { foundAt: _, ...first } = seen[0] as { foundAt: string };
		const place = { lane: 'bulk', file: 3, from: 4096, foundBy: 'scrub' };
		assert.deepEqual(first, { id: 1, kind: 'segment', reason: 'checksum', root: ROOT, segment: 0, ...place });
		const { foundAt: __, ...last } = seen[5] as { foundAt: string };
		const stretch = { lane: 'small', file: 1, from: 512, to: 1024, foundBy: 'open' };
		assert.deepEqual(last, { id: 6, kind: 'stretch', reason: 'copy', ...stretch });
		for (const query of ['after=-1', 'limit=0', 'limit=1001', 'limit=x', 'after=1&after=2'])
			assert.equal((await ask(admin, `/v1/admin/errors?${query}`)).status, 400, query);
	});

	it('does nothing for a page of another site, nor for a name that was made to lead here', async (t) => {
		const admin = await startAdmin(t);
		const own = `127.0.0.1:${admin.port}`;
		for (const [headers, status] of [
			[{ Host: 'evil.example' }, 421],
			[{ Host: `evil.example:${admin.port}` }, 421],
			[{ Host: '127.0.0.1.evil.example' }, 421],
			[{ Origin: 'http://evil.example' }, 403],
			[{ Origin: 'null' }, 403],
			[{ Origin: `https://${own}` }, 403],
			[{ 'Sec-Fetch-Site': 'cross-site' }, 403],
			[{ 'Sec-Fetch-Site': 'same-site' }, 403],
			[{ 'Content-Length': '2' }, 400],
		] as const) {
			const body = 'Content-Length' in headers ? '{}' : undefined;
			const answer = await ask(admin, '/v1/admin/scrub/start', {
				method: 'POST',
				headers,
				...(body === undefined ? {} : { body }),
			});
			assert.equal(answer.status, status, JSON.stringify(headers));
			const read = await ask(admin, '/v1/admin/errors', { headers: body === undefined ? headers : {} });
			assert.equal(read.status, body === undefined ? status : 200, JSON.stringify(headers));
		}
		assert.deepEqual(admin.calls, []);
		for (const headers of [
			{ Host: `localhost:${admin.port}` },
			{ Host: `LOCALHOST` },
			{ Host: `[::1]:${admin.port}` },
			{ Origin: `http://${own}`, 'Sec-Fetch-Site': 'same-origin' },
		]) {
			const answer = await ask(admin, '/v1/admin/scrub/start', { method: 'POST', headers });
			assert.equal(answer.status, 200, JSON.stringify(headers));
		}
	});
});
