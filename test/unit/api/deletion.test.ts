import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { SEGMENT_BYTES } from '../../../src/units.js';
import { ask, put, type RestServer, startRest } from '../../support/rest-server.js';

const UNKNOWN = `0x${'ab'.repeat(32)}`;
const remove = (rest: RestServer, path: string, headers = {}) => ask(rest, path, { method: 'DELETE', headers });

test('a deleted file answers 410 wherever its content is asked for, whatever the client knows, and stays known', async (t) => {
	const rest = await startRest(t);
	const root = await put(rest, randomBytes(300_000), 'name');
	const deleted = await remove(rest, `/v1/files/${root}`);
	assert.deepEqual([deleted.status, deleted.body.length], [204, 0]);
	for (const path of [
		`/v1/files/${root}`,
		'/v1/submissions/0',
		`/v1/files/${root}/segments/0`,
		`/v1/files/${root}/segments/0?proof=1`,
		'/v1/submissions/0/segments/1',
		`/v1/files/${root}/segments/99`,
	]) {
		for (const headers of [{}, { 'If-None-Match': `"${root}"` }, { Range: 'bytes=0-9' }]) {
			const answer = await ask(rest, path, { headers });
			assert.deepEqual([answer.status, answer.json['code']], [410, 'GONE'], path);
		}
		assert.equal((await ask(rest, path, { method: 'HEAD' })).status, 410, path);
	}
	for (const path of [`/v1/files/${root}/info`, '/v1/submissions/0/info']) {
		const { json, status } = await ask(rest, path);
		assert.equal(status, 200);
		assert.deepEqual(
			[json['root'], json['name'], json['deleted'], json['finalized'], json['heldSegments']],
			[root, 'name', true, false, 0],
		);
	}
	assert.match(await rest.metrics.registry.metrics(), /perigee_deleted_files_total 1\n/);
});

test('deleting again is answered alike; what is unknown, or no root, is refused', async (t) => {
	const rest = await startRest(t);
	const root = await put(rest, Buffer.from('abc'));
	for (let i = 0; i < 3; i++) assert.equal((await remove(rest, `/v1/files/${root}`)).status, 204);
	assert.equal((await remove(rest, `/v1/files/${UNKNOWN}`)).json['code'], 'NOT_FOUND');
	assert.equal((await remove(rest, '/v1/files/0x12')).json['code'], 'BAD_ROOT');
	const refused = await remove(rest, '/v1/submissions/0');
	assert.deepEqual([refused.status, refused.headers.allow], [405, 'GET, HEAD']);
	assert.equal((await ask(rest, `/v1/files/${root}`, { method: 'POST' })).headers.allow, 'GET, HEAD, DELETE');
});

test('a web page of another site deletes nothing', async (t) => {
	const rest = await startRest(t);
	const root = await put(rest, Buffer.from('abc'));
	for (const path of [`/v1/files/${root}`, `/v1/files/${root}/segments?from=0&to=1`]) {
		for (const site of ['cross-site', 'same-site'])
			assert.equal((await remove(rest, path, { 'Sec-Fetch-Site': site })).json['code'], 'CROSS_SITE');
	}
	assert.equal((await ask(rest, `/v1/files/${root}`)).text, 'abc');
	assert.equal((await remove(rest, `/v1/files/${root}`, { 'Sec-Fetch-Site': 'same-origin' })).status, 204);
});

test('ranges of segments are dropped: from is the first, to the first one that stays', async (t) => {
	const rest = await startRest(t);
	const root = await put(rest, randomBytes(4 * SEGMENT_BYTES));
	assert.equal((await remove(rest, `/v1/files/${root}/segments?from=1&to=3`)).status, 204);
	const { json } = await ask(rest, `/v1/files/${root}/info`);
	assert.deepEqual([json['finalized'], json['deleted'], json['heldSegments']], [false, false, 2]);
	for (const query of [
		'',
		'?from=0',
		'?from=2&to=2',
		'?from=2&to=1',
		'?from=x&to=2',
		'?from=0&to=2&to=3',
		'?from=0&to=5',
	])
		assert.equal((await remove(rest, `/v1/files/${root}/segments${query}`)).json['code'], 'BAD_REQUEST', query);
	assert.equal((await remove(rest, `/v1/files/${UNKNOWN}/segments?from=0&to=1`)).json['code'], 'NOT_FOUND');
	assert.match(await rest.metrics.registry.metrics(), /perigee_dropped_segments_total 2\n/);
});
