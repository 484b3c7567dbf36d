/** What an operator meets at the command line: a start that cannot be, settings that have no effect, damage, a stop that must not wait. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { SEGMENT_BYTES } from '../../src/units.js';
import { damageContent } from '../support/damage.js';
import { runCli, startJsonNode, startNode, temporaryDirectory } from '../support/processes.js';
import { ask, put, RawConnection } from '../support/rest-server.js';
import { result } from '../support/rpc.js';

test('a data directory that cannot be made is refused at once, with its name', {
	skip: !existsSync('/proc/self'),
}, async () => {
	const ran = await runCli(['start', '--data-dir', '/proc/x', '--json']);
	assert.equal(ran.code, 2);
	const { error } = JSON.parse(ran.stderr) as { error: { message: string; hint: string; code: string } };
	assert.match(error.message, /\/proc\/x cannot be made \(E[A-Z]+\); choose another/);
	assert.equal(error.code, 'CONFIG_INVALID');
	assert.match(error.hint, /docs\/configuration\.md/);
});

test('a start whose port is taken leaves no data directory behind', async (t) => {
	const taken = createServer().listen(0, '127.0.0.1');
	t.after(() => taken.close());
	await once(taken, 'listening');
	const address = `127.0.0.1:${(taken.address() as AddressInfo).port}`;
	const home = temporaryDirectory(t);
	const flags = ['--http', '--admin', '--grpc'];
	for (const flag of flags) {
		const others = flags.flatMap((other) => (other === flag ? [] : [other, '127.0.0.1:0']));
		const ran = await runCli(['start', '--data-dir', join(home, 'data'), flag, address, ...others]);
		assert.equal(ran.code, 2);
		assert.match(ran.stderr, new RegExp(`${address} is in use by another program; choose another with ${flag}`));
		assert.deepEqual(readdirSync(home), []);
	}
});

test('settings of a ledger that began with others have no effect, and the log says so', async (t) => {
	const dataDir = join(temporaryDirectory(t), 'data');
	let node = await startJsonNode(t, dataDir);
	assert.ok(!node.logged().includes('keeps it'));
	assert.equal(await node.end('SIGTERM'), 0);
	node = await startJsonNode(t, dataDir, [], {
		PERIGEE_EMBEDDED_PRICE_PER_SECTOR: '7',
		PERIGEE_EMBEDDED_BLOCKS_PER_EPOCH: '10',
	});
	assert.match(node.logged(), /embedded\.pricePerSector is 7 in the configuration, but the ledger .* began with 0/);
	assert.match(node.logged(), /embedded\.blocksPerEpoch is 10 in the configuration, but the ledger .* began with 60/);
	assert.equal(await node.end('SIGTERM'), 0);
});

test('a download that meets damage says what is damaged', async (t) => {
	const dataDir = join(temporaryDirectory(t), 'data');
	const node = await startJsonNode(t, dataDir);
	const body = randomBytes(20 * SEGMENT_BYTES);
	const root = String((await ask(node, '/v1/upload/f', { method: 'PUT', body })).json['root']);
	await damageContent(dataDir, 'bulk', body, 14 * SEGMENT_BYTES + 9);
	const into = temporaryDirectory(t);
	const ran = await runCli(['download', root, '-o', join(into, 'f'), '--node', node.url, '--json']);
	const { error } = JSON.parse(ran.stderr) as { error: { message: string; hint: string; code: string } };
	assert.equal(error.code, 'DATA_DAMAGED');
	assert.match(error.message, /broke off after \d+ of 5242880 bytes: segment 14 is damaged/);
	assert.equal(ran.code, 1);
	assert.deepEqual(readdirSync(into), []);
	assert.equal(await node.end('SIGTERM'), 0);
});

test('a stop waits for a slow upload as long as shutdown.graceMs says', async (t) => {
	const dataDir = join(temporaryDirectory(t), 'data');
	const node = await startJsonNode(t, dataDir, [], { PERIGEE_SHUTDOWN_GRACE_MS: '0' });
	const upload = await RawConnection.open(node);
	upload.send('PUT /v1/upload/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nxy');
	while (!(await ask(node, '/metrics')).text.includes('\nperigee_uploads_in_progress 1\n'))
		await new Promise((resolve) => setImmediate(resolve));
	assert.equal(await node.end('SIGTERM'), 0);
	assert.ok(!existsSync(join(dataDir, 'node.json')));
	assert.ok(readFileSync(join(dataDir, 'view.checkpoint')).length > 0);
});

test('admin_shutdown is answered and then stops the node as SIGTERM does', async (t) => {
	const dataDir = join(temporaryDirectory(t), 'data');
	let node = await startNode(t, dataDir);
	const root = await put(node, randomBytes(300_000));
	const file = readFileSync(join(dataDir, 'node.json'), 'utf8');
	const { listeners } = JSON.parse(file) as { readonly listeners: { readonly admin: string } };
	const exit = once(node.child, 'exit');
	assert.equal(await result({ port: Number(new URL(listeners.admin).port) }, 'admin_shutdown'), null);
	assert.deepEqual(await exit, [0, null]);
	assert.equal(existsSync(join(dataDir, 'node.json')), false, 'it has closed everything');
	node = await startNode(t, dataDir);
	assert.equal((await ask(node, `/v1/files/${root}`)).status, 200);
});
