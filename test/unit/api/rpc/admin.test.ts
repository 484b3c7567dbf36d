/** The admin_ methods over a real store, on a listener of their own and on the public one (spec log-layer §4.5; test/vectors/rpc-observed.json). */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import * as http from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { type AdminModules, administrationAt, startAdminServer } from '../../../../src/api/admin/admin-server.js';
import { Access } from '../../../../src/api/auth/access.js';
import type { ListenPlace } from '../../../../src/config/listen-address.js';
import { systemClock } from '../../../../src/io/clock.js';
import { systemRandomness } from '../../../../src/io/randomness.js';
import { LIMITS } from '../../../../src/limits.js';
import { createMetrics, type Metrics } from '../../../../src/metrics/metrics.js';
import { fileRoot } from '../../../../src/native/addon.js';
import { hexOf, SEGMENT_BYTES, type DataRoot } from '../../../../src/units.js';
import { DamageList } from '../../../../src/log-layer/damage.js';
import { emptyRegistry, openAccess, tokenFor } from '../../../support/open-access.js';
import { temporaryDirectory } from '../../../support/processes.js';
import { Prng } from '../../../support/prng.js';
import { ask, eventually, readAnswer, serve } from '../../../support/rest-server.js';
import { call, observed, post, result, type RpcAnswer } from '../../../support/rpc.js';
import { put, type TestStore, useTestStores } from '../../../support/test-store.js';
import { MINING_OFF } from '../../../../src/pora/mining-off.js';
import type { MiningControl } from '../../../../src/pora/mining-status.js';
import { fakeMining } from '../../../support/fake-mining.js';

const stores = useTestStores();
const prng = new Prng(90);

interface Administered {
	readonly port: number;
	readonly metrics: Metrics;
	/** How often the node was told to stop. */
	readonly stops: () => number;
	readonly modules: AdminModules;
}

function modulesOf(store: TestStore, mining: MiningControl = MINING_OFF) {
	const damage = new DamageList(systemClock, { found: () => undefined });
	const metrics = createMetrics();
	let stops = 0;
	const modules = {
		store: store.files,
		mining,
		admin: { scrub: store.scrub, damage: damage.entries.bind(damage) },
		metrics,
		refreshMetrics: () => metrics.tokens.set(17),
		shutdown: () => void stops++,
	};
	return { modules, metrics, stops: () => stops };
}

/** The admin listener over a store. */
async function serveAdmin(
	t: Pick<TestContext, 'after'>,
	store: TestStore,
	access = openAccess(),
	listen: ListenPlace = { host: '127.0.0.1', port: 0 },
	mining: MiningControl = MINING_OFF,
): Promise<Administered> {
	const { modules, ...rest } = modulesOf(store, mining);
	const server = await startAdminServer(
		{ listen, idleTimeoutMs: 60_000, minBytesPerSecond: 0, graceMs: 10_000 },
		{
			...modules,
			clock: systemClock,
			randomness: systemRandomness,
			access,
			log: { error() {}, warn() {} },
		},
	);
	t.after(() => server.close());
	return { ...rest, modules, port: Number(new URL(server.url).port) };
}

/** One listener for everything. */
async function serveBoth(t: TestContext, store: TestStore, access = openAccess()): Promise<Administered> {
	const { modules, ...rest } = modulesOf(store);
	const administration = administrationAt({ host: '127.0.0.1', port: 0 }, { ...modules, access });
	const served = await serve(store.files, { access, administration });
	t.after(() => served.server.close());
	return { ...rest, modules, port: served.port };
}

/** One call with these headers: null, a result, or what the error says. */
async function asked(
	server: { readonly port: number },
	method: string,
	headers: Readonly<Record<string, string>>,
): Promise<unknown> {
	const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method });
	const type = { 'Content-Type': 'application/json' };
	const answer = await ask(server, '/', { method: 'POST', headers: { ...type, ...headers }, body });
	if (answer.status !== 200) return answer.status;
	const { error, result: value } = JSON.parse(answer.text) as RpcAnswer;
	return error ? (error.data ?? error.message).split(':')[0] : value;
}

describe('a node without peers answers as the reference did', () => {
	let admin: Administered;
	const cleanups: (() => unknown)[] = [];
	before(async () => {
		const store = await stores.open();
		for (const bytes of [300, 2 * SEGMENT_BYTES + 5]) await put(store, prng.bytes(bytes));
		// Submission 2 is not here whole, 3 was deleted.
		const [partial, deleted] = [prng.bytes(3 * SEGMENT_BYTES), prng.bytes(700)];
		for (const content of [partial, deleted]) await put(store, content);
		await store.files.dropSegments(hexOf(fileRoot(partial).root) as DataRoot, 1, 1);
		await store.files.deleteFile(hexOf(fileRoot(deleted).root) as DataRoot);
		admin = await serveAdmin({ after: (fn) => void cleanups.push(fn as () => unknown) }, store);
	});
	after(async () => {
		for (const cleanup of cleanups) await cleanup();
	});

	const questions: readonly (readonly [string, string, readonly unknown[]])[] = [
		['admin_getSyncServiceState() # empty node', 'admin_getSyncServiceState', []],
		['admin_getSyncStatus(77)', 'admin_getSyncStatus', [77]],
		['admin_getSyncInfo(null)', 'admin_getSyncInfo', [null]],
		['admin_startSyncFile(1)', 'admin_startSyncFile', [1]],
		['admin_startSyncFile(77)', 'admin_startSyncFile', [77]],
		['admin_startSyncChunks(1, 0, 5)', 'admin_startSyncChunks', [1, 0, 5]],
		['admin_startSyncChunks(1, 5, 5)', 'admin_startSyncChunks', [1, 5, 5]],
		['admin_terminateSync(1)', 'admin_terminateSync', [1]],
		['admin_findFile(1)', 'admin_findFile', [1]],
		['admin_findFile(77)', 'admin_findFile', [77]],
		['admin_getFileLocation(77, true)', 'admin_getFileLocation', [77, true]],
		['miner_start()', 'miner_start', []],
	];
	for (const [question, method, params] of questions) {
		it(question, async () => {
			assert.deepEqual(await call(admin, method, params), observed(question).answer);
		});
	}

	it('admin_shutdown(): and the node is told to stop', async () => {
		assert.deepEqual(await call(admin, 'admin_shutdown', []), observed('admin_shutdown()').answer);
		await eventually(() => admin.stops() === 1, 'the stop');
	});

	it('miner_*: only where the node mines', async (t) => {
		const mining = fakeMining();
		const miner = await serveAdmin(t, await stores.open(), openAccess(), undefined, mining);
		for (const [method, ...params] of [['miner_stop'], ['miner_setStartPosition', 2 ** 40], ['miner_start']] as const)
			assert.equal((await call(miner, method, params)).result, true);
		assert.deepEqual(mining.told, ['stop', `from ${2 ** 40}`, 'start']);
	});

	it('is told once, however often a body says it', async (t) => {
		const other = await serveAdmin(t, await stores.open());
		const notification = { jsonrpc: '2.0', method: 'admin_shutdown' };
		const body = JSON.stringify(Array.from({ length: 50 }, () => notification));
		assert.equal((await post(other, body)).text, '');
		await eventually(() => other.stops() > 0, 'the stop');
		assert.equal(other.stops(), 1);
	});

	it('what the reference was not asked', async () => {
		const refused = async (method: string, ...params: readonly unknown[]) => (await call(admin, method, params)).error;
		const internal = (data: string) => ({ code: -32603, message: 'Internal error', data });
		assert.deepEqual(await refused('admin_startSyncFile', 2), internal('No peers to sync from'));
		assert.deepEqual(await refused('admin_startSyncFile', 3), internal('File already exists [Pruned]'));
		assert.deepEqual(await refused('admin_startSyncChunks', 77, 0, 1), internal('Transaction not found'));
		for (const [start, end] of [
			[5, 5],
			[6, 5],
			[0, 3 * 1024 + 1],
		])
			assert.deepEqual(await refused('admin_startSyncChunks', 2, start, end), internal('Invalid chunk range'));
		assert.deepEqual(await refused('admin_startSyncChunks', 2, 0, 3 * 1024), internal('No peers to sync from'));
		assert.equal(await result(admin, 'admin_getSyncStatus', 1), 'unknown');
		assert.deepEqual(await result(admin, 'admin_getSyncInfo'), {});
		assert.deepEqual(await result(admin, 'admin_getSyncInfo', 1), {});
		assert.equal(await result(admin, 'admin_getFileLocation', 1, false), null);
		assert.deepEqual(await result(admin, 'admin_getPeers'), {});
		assert.deepEqual(await result(admin, 'admin_getNetworkInfo'), {
			peerId: '',
			listenAddresses: [],
			totalPeers: 0,
			bannedPeers: 0,
			disconnectedPeers: 0,
			connectedPeers: 0,
			connectedOutgoingPeers: 0,
			connectedIncomingPeers: 0,
		});
		assert.equal((await refused('admin_findFile'))?.message, 'No more params');
		assert.match((await refused('admin_getSyncInfo', 'x'))?.message ?? '', /^invalid type: string "x", expected u64/);
		assert.match((await refused('admin_getFileLocation', 1, 0))?.message ?? '', /expected a boolean/);
		const named = await call(admin, 'admin_startSyncChunks', '{"tx_seq":2,"start_index":1,"end_index":1}');
		assert.deepEqual(named.error, internal('Invalid chunk range'));
	});

	it('metrics are those of the node, by name', async () => {
		const all = (await result(admin, 'admin_getMetrics')) as Record<string, string>;
		const names = Object.keys(all);
		assert.deepEqual(names, names.toSorted());
		assert.equal(all['perigee_tokens'], '17', 'they are brought up to date');
		const rpc = (await result(admin, 'admin_getMetrics', 'perigee_rpc_requests_total')) as Record<string, string>;
		assert.equal(rpc['perigee_rpc_requests_total{method="admin_getMetrics",outcome="ok"}'], '1');
		assert.ok(Object.keys(rpc).every((name) => name.startsWith('perigee_rpc_requests_total{')));
		assert.deepEqual(await result(admin, 'admin_getMetrics', 'nothing'), {});
	});
});

describe('the admin listener', () => {
	it('has no public methods, and takes JSON of a bounded length by POST alone', async (t) => {
		const admin = await serveAdmin(t, await stores.open());
		for (const method of ['zgs_getStatus', 'indexer_getShardedNodes', 'constructor'])
			assert.equal((await call(admin, method)).error?.code, -32601, method);
		assert.equal((await ask(admin, '/')).status, 405);
		assert.equal((await post(admin, '{}', 'text/plain')).status, 415);
		const long = await post(admin, ' '.repeat(LIMITS.rpcSmallBodyBytes + 1));
		const { error } = JSON.parse(long.text) as RpcAnswer;
		assert.deepEqual([long.status, error?.code, error?.data], [413, -32701, 'Exceeded max limit of 65536']);
	});

	it('does nothing for a page of another site, nor for a name that was made to lead here', async (t) => {
		const admin = await serveAdmin(t, await stores.open());
		for (const [headers, status] of [
			[{ Host: 'evil.example' }, 421],
			[{ Origin: 'http://evil.example' }, 403],
			[{ 'Sec-Fetch-Site': 'cross-site' }, 403],
		] as const)
			assert.equal(await asked(admin, 'admin_shutdown', headers as Record<string, string>), status);
		const preflight = { Origin: 'http://evil.example', 'Access-Control-Request-Method': 'POST' };
		const question = await ask(admin, '/', { method: 'OPTIONS', headers: preflight });
		assert.deepEqual([question.status, question.headers['access-control-allow-origin']], [405, undefined]);
		assert.equal(admin.stops(), 0);
	});

	it('asks for a token with the scope admin where there are tokens', async (t) => {
		const [operator, writer] = [tokenFor('operator', ['admin']), tokenFor('writer', ['read', 'write'])];
		const registry = emptyRegistry();
		registry.replace([operator.entry, writer.entry]);
		const access = new Access(registry, { read: 'always', write: 'always', admin: 'in force' });
		const admin = await serveAdmin(t, await stores.open(), access);
		assert.equal(await asked(admin, 'admin_shutdown', {}), 401);
		assert.equal(await asked(admin, 'admin_shutdown', { Authorization: writer.bearer }), 403);
		assert.equal(admin.stops(), 0);
		assert.equal(await asked(admin, 'admin_shutdown', { Authorization: operator.bearer }), null);
		await eventually(() => admin.stops() === 1, 'the stop');
	});
});

it('a Unix socket answers them too', async (t) => {
	const socketPath = join(temporaryDirectory(t), 'admin.sock');
	await serveAdmin(t, await stores.open(), openAccess(), { socketPath });
	const headers = { 'Content-Type': 'application/json', Host: 'localhost' };
	const request = http.request({ socketPath, path: '/', method: 'POST', headers });
	request.end('{"jsonrpc":"2.0","id":1,"method":"admin_getPeers"}');
	const [response] = (await once(request, 'response')) as [http.IncomingMessage];
	assert.deepEqual((await readAnswer(response)).json, { jsonrpc: '2.0', result: {}, id: 1 });
});

describe('one listener for everything', () => {
	it('answers both kinds of methods, also in one body', async (t) => {
		const both = await serveBoth(t, await stores.open());
		const calls = ['zgs_getShardConfig', 'admin_getSyncStatus', 'admin_shutdown'].map((method, id) => ({
			jsonrpc: '2.0',
			id,
			method,
			params: [1],
		}));
		const answers = JSON.parse((await post(both, JSON.stringify(calls))).text) as RpcAnswer[];
		assert.deepEqual(
			answers.map((answer) => answer.result),
			[{ shardId: 0, numShard: 1 }, 'unknown', null],
		);
		await eventually(() => both.stops() === 1, 'the stop');
	});

	it('lets every page call what is public, and none what administers', async (t) => {
		const both = await serveBoth(t, await stores.open());
		for (const [headers, why] of [
			[{ Host: 'evil.example' }, 'FOREIGN_HOST'],
			[{ Origin: 'http://evil.example' }, 'CROSS_SITE'],
			[{ 'Sec-Fetch-Site': 'same-site' }, 'CROSS_SITE'],
		] as const) {
			const sent = headers as Record<string, string>;
			assert.equal(await asked(both, 'admin_shutdown', sent), why);
			assert.deepEqual(await asked(both, 'zgs_getShardConfig', sent), { shardId: 0, numShard: 1 });
		}
		assert.equal(both.stops(), 0);
	});

	it('administers for this machine or with a token, and counts a body once', async (t) => {
		const operator = tokenFor('operator', ['admin'], { requestsPerSecond: 1 });
		const registry = emptyRegistry();
		const access = new Access(registry, { read: 'never', write: 'always', admin: 'from afar' });
		const both = await serveBoth(t, await stores.open(), access);
		const proxied = { 'X-Forwarded-For': '203.0.113.7' };
		assert.equal(await asked(both, 'admin_getSyncServiceState', proxied), 'UNAUTHORIZED');
		assert.deepEqual(await asked(both, 'admin_getPeers', {}), {});
		registry.replace([operator.entry]);
		assert.equal(await asked(both, 'admin_getPeers', {}), 'UNAUTHORIZED');
		assert.deepEqual(await asked(both, 'zgs_getShardConfig', proxied), { shardId: 0, numShard: 1 });
		const one = { jsonrpc: '2.0', id: 1, method: 'admin_getPeers' };
		const answer = await ask(both, '/', {
			method: 'POST',
			headers: { 'Content-Type': 'application/json', Authorization: operator.bearer, ...proxied },
			body: JSON.stringify([one, one, one]),
		});
		const answers = JSON.parse(answer.text) as RpcAnswer[];
		assert.deepEqual(
			answers.map(({ result: value }) => value),
			[{}, {}, {}],
		);
	});
});
