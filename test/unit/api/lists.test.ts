import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { Check } from 'typebox/value';
import { FILE_LIST } from '../../../src/api/rest/schemas.js';
import { LIMITS } from '../../../src/limits.js';
import { put as store, useTestStores } from '../../support/test-store.js';
import { ask, put, type RestServer, startRest } from '../../support/rest-server.js';

interface Entry {
	readonly root: string;
	readonly txSeq: number;
	readonly name: string;
	readonly deleted: boolean;
}

/** All entries of a list, page by page; and how many pages. */
async function all(rest: RestServer, path: string): Promise<{ entries: Entry[]; pages: number }> {
	const entries: Entry[] = [];
	let cursor: string | undefined;
	let pages = 0;
	do {
		const separator = path.includes('?') ? '&' : '?';
		const { json, status } = await ask(rest, cursor === undefined ? path : `${path}${separator}cursor=${cursor}`);
		assert.equal(status, 200, path);
		assert.ok(Check(FILE_LIST, json));
		entries.push(...(json['files'] as Entry[]));
		cursor = json['next'];
		pages++;
	} while (cursor !== undefined);
	return { entries, pages };
}

async function filled(t: TestContext): Promise<{ rest: RestServer; roots: string[] }> {
	const rest = await startRest(t);
	const roots: string[] = [];
	for (let index = 0; index < 7; index++) {
		const name = `${index % 2 === 0 ? 'even' : 'odd'}/${index}`.replace('/', '-');
		roots.push(await put(rest, randomBytes(100 + index), name, { 'Content-Type': 'text/plain' }));
	}
	return { rest, roots };
}

test('files and submissions are listed in their order or backwards, page by page, each once', async (t) => {
	const { rest, roots } = await filled(t);
	for (const what of ['files', 'submissions']) {
		for (const limit of [1, 2, 3, 7, 8, 1000]) {
			const { entries, pages } = await all(rest, `/v1/${what}?limit=${limit}`);
			assert.deepEqual(
				entries.map(({ root }) => root),
				roots,
			);
			assert.equal(pages, Math.ceil(roots.length / limit));
			const backwards = await all(rest, `/v1/${what}?limit=${limit}&order=desc`);
			assert.deepEqual(
				backwards.entries.map(({ txSeq }) => txSeq),
				[6, 5, 4, 3, 2, 1, 0],
			);
		}
	}
	const { headers } = await ask(rest, '/v1/files');
	assert.equal(headers['cache-control'], 'no-store');
});

test('a list shows only names that begin so, only files that are held, only deleted ones', async (t) => {
	const { rest, roots } = await filled(t);
	await ask(rest, `/v1/files/${roots[2]}`, { method: 'DELETE' });
	const seqs = async (query: string): Promise<number[]> =>
		(await all(rest, `/v1/files?${query}`)).entries.map(({ txSeq }) => txSeq);
	assert.deepEqual(await seqs('prefix=odd-'), [1, 3, 5]);
	assert.deepEqual(await seqs('prefix=even-&limit=1'), [0, 2, 4, 6]);
	assert.deepEqual(await seqs('prefix=none'), []);
	assert.deepEqual(await seqs('deleted=true'), [2]);
	assert.deepEqual(await seqs('deleted=false'), [0, 1, 3, 4, 5, 6]);
	assert.deepEqual(await seqs('finalized=true&prefix=even'), [0, 4, 6]);
	assert.deepEqual(await seqs('finalized=false&order=desc'), [2]);
});

test('a file is named as its newest upload was, a submission as the one that made it', async (t) => {
	const rest = await startRest(t);
	await put(rest, Buffer.from('abc'), 'old');
	await put(rest, Buffer.from('abc'), 'new');
	const names = async (path: string): Promise<string[]> => (await all(rest, path)).entries.map(({ name }) => name);
	assert.deepEqual(await names('/v1/files'), ['new']);
	assert.deepEqual(await names('/v1/submissions'), ['old']);
});

test('an empty node has empty lists', async (t) => {
	const rest = await startRest(t);
	for (const order of ['asc', 'desc'])
		assert.deepEqual((await ask(rest, `/v1/submissions?order=${order}`)).json, { files: [] });
});

test('what a list does not understand is refused and named', async (t) => {
	const { rest } = await filled(t);
	for (const [query, word] of [
		['finalised=true', 'finalised'],
		['finalized=yes', 'finalized'],
		['limit=0', 'limit'],
		[`limit=${LIMITS.listEntries + 1}`, 'limit'],
		['limit=ten', 'limit'],
		['order=random', 'order'],
		['cursor=5', 'cursor'],
		['cursor=asc-x', 'cursor'],
		['cursor=desc-1', 'cursor'],
		['cursor=asc-99999999999999999999', 'sequence number'],
		['prefix=a&prefix=b', 'prefix'],
	] as const) {
		const { json, status } = await ask(rest, `/v1/files?${query}`);
		assert.deepEqual([status, json['code']], [400, 'BAD_REQUEST'], query);
		assert.ok(String(json['detail']).includes(word), String(json['detail']));
	}
	assert.deepEqual((await ask(rest, '/v1/files?cursor=asc-1000')).json, { files: [] });
	assert.equal(((await ask(rest, '/v1/files?cursor=desc-1000&order=desc')).json['files'] as Entry[]).length, 7);
});

const stores = useTestStores();

test('a list looks at a bounded number of submissions and says where to go on; content that was submitted twice is one file', async () => {
	const real = await stores.open();
	const { listedSubmissions } = LIMITS;
	Object.assign(LIMITS, { listedSubmissions: 64 });
	try {
		const contents = Array.from({ length: 150 }, (_, index) => Buffer.from(`content ${index}`));
		for (const content of contents) await store(real, content);
		const list = { what: 'files', newestFirst: false, most: 10, namePrefix: '', finalized: false } as const;
		const first = await real.files.list(list);
		assert.deepEqual([first.files.length, first.next], [0, 64]);
		const second = await real.files.list({ ...list, ...(first.next === undefined ? {} : { from: first.next }) });
		assert.deepEqual([second.files.length, second.next], [0, 128]);
		assert.equal(
			(await real.files.list({ ...list, ...(second.next === undefined ? {} : { from: second.next }) })).next,
			undefined,
		);
	} finally {
		Object.assign(LIMITS, { listedSubmissions });
	}
	// The same root with other trailing zeros is another submission of the same file.
	const padded = Buffer.concat([Buffer.from('content 0'), Buffer.alloc(1)]);
	const { txSeq } = await store(real, padded);
	assert.equal(txSeq, 150);
	const list = { newestFirst: true, most: 1, namePrefix: '' } as const;
	assert.equal((await real.files.list({ ...list, what: 'submissions' })).files[0]?.txSeq, 150);
	assert.equal((await real.files.list({ ...list, what: 'files' })).files[0]?.txSeq, 149);
});
