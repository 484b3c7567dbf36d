/** The face of an indexer (spec log-layer §8.1). */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Indexer } from '@0gfoundation/0g-ts-sdk';
import { ask, serve } from '../../../support/rest-server.js';
import { call, result } from '../../../support/rpc.js';
import { quietly } from '../../../support/sdk.js';
import { put, useTestStores } from '../../../support/test-store.js';

const stores = useTestStores();

test('an indexer whose only node is the one that answers', async (t) => {
	const store = await stores.open();
	const rest = await serve(store.files);
	t.after(() => rest.server.close());
	const { root } = await put(store, Buffer.from('a file'));
	const node = { url: `http://127.0.0.1:${rest.port}`, config: { shardId: 0, numShard: 1 }, latency: 0, since: 0 };
	const nodes = { trusted: [node], discovered: [] };
	// Arrays, never null: the official SDK iterates over them (spec log-layer §9.29).
	const headers = { Host: `127.0.0.1:${rest.port}`, 'Content-Type': 'application/json' };
	const asked = async (method: string, params: readonly unknown[]): Promise<unknown> => {
		const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
		const { json } = await ask(rest, '/', { method: 'POST', headers, body });
		return json['result'] === undefined ? (json['error'] as { message: string }).message : json['result'];
	};
	// Arrays, never null: the official SDK iterates over them (spec log-layer §9.29).
	assert.deepEqual(await asked('indexer_getShardedNodes', []), nodes);
	const few = 'cannot select a subset from the returned nodes that meets the replication requirement';
	for (const [params, expected] of [
		[[1, 'min', true, []], nodes],
		[[1, 'max', false, null], nodes],
		[[1, 'random', true], nodes],
		[[1, '1', true, ['http://elsewhere:1']], nodes],
		[[0, 'min', true, []], { trusted: [], discovered: [] }],
		[[2, 'min', true, []], few],
		[[1, '2', true, []], few],
		[[1, 'best', true, []], few],
		[[1, 'min', true, [`${node.url}/`]], few],
	] as const)
		assert.deepEqual(await asked('indexer_getSelectedNodes', params), expected, JSON.stringify(params));
	assert.deepEqual(await asked('indexer_getFileLocations', [root]), [node]);
	assert.equal(await asked('indexer_getFileLocations', [`0x${'12'.repeat(32)}`]), 'file not found');
	assert.deepEqual(await asked('indexer_getNodeLocations', []), {});
	assert.equal((await call(rest, 'indexer_getSelectedNodes', [1, 'min'])).error?.message, 'No more params');
});

test('the official Indexer class finds the node, selects it and downloads by it', async (t) => {
	const store = await stores.open();
	const rest = await serve(store.files);
	t.after(() => rest.server.close());
	const content = randomBytes(2 * 262_144 + 13);
	const { root } = await put(store, content);
	const indexer = new Indexer(rest.url);
	const { trusted, discovered } = await indexer.getShardedNodes();
	assert.deepEqual([trusted.map(({ url }) => url), discovered], [[rest.url], []]);
	const [nodes, error] = await quietly(() => indexer.selectNodes(1));
	assert.deepEqual([nodes.map(({ url }) => url), error], [[rest.url], null]);
	const path = join(await stores.newDirectory(), 'downloaded');
	assert.equal(await quietly(() => indexer.download(root, path, true)), null);
	assert.ok((await readFile(path)).equals(content));
});

test('an operator says where the node is reached', async (t) => {
	const store = await stores.open();
	const rest = await serve(store.files, { publicUrl: 'https://node.example/' });
	t.after(() => rest.server.close());
	const { root } = await put(store, Buffer.from('a file'));
	const node = { url: 'https://node.example', config: { shardId: 0, numShard: 1 }, latency: 0, since: 0 };
	assert.deepEqual(await result(rest, 'indexer_getShardedNodes'), { trusted: [node], discovered: [] });
	assert.deepEqual(await result(rest, 'indexer_getFileLocations', root), [node]);
	const dropped = await call(rest, 'indexer_getSelectedNodes', [1, 'min', true, ['https://node.example']]);
	assert.match(dropped.error?.message ?? '', /^cannot select/);
	assert.match((await ask(rest, '/')).text, /https:\/\/node\.example\/v1\/upload\//);
});
