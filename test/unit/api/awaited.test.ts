/** What uploads answer while a chain does not show their submissions: over REST, as forms, as directories, by tus and over gRPC. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { Hex } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { fileRoot } from '../../../src/native/addon.js';
import { sectorsOf } from '../../../src/settlement/flow/submission-rules.js';
import { hexOf } from '../../../src/units.js';
import { startChain, type TestChain } from '../../support/chain.js';
import { type ChainStore, openChainStore, until } from '../../support/chain-store.js';
import { formOf, BOUNDARY } from '../../support/forms.js';
import { connectFiles, serveGrpc, upload as uploadOverGrpc } from '../../support/grpc-server.js';
import { Prng } from '../../support/prng.js';
import { type Answer, ask, serve, type ServedStore } from '../../support/rest-server.js';
import { useTestStores } from '../../support/test-store.js';

const stores = useTestStores();
const prng = new Prng(0x202);
const FORM = { 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}` };
let chain: TestChain;

before(async () => {
	chain = await startChain();
});

after(async () => {
	await chain.stop();
});

interface Served {
	readonly store: ChainStore;
	readonly rest: ServedStore;
}

async function start(t: TestContext, key?: Hex): Promise<Served> {
	const store = await openChainStore(stores, chain, key === undefined ? {} : { key });
	const rest = await serve(store.files);
	t.after(async () => {
		await rest.server.close();
		await store.close();
	});
	return { store, rest };
}

async function funded(): Promise<Hex> {
	const key = generatePrivateKey();
	await chain.client.setBalance({ address: privateKeyToAccount(key).address, value: 10n ** 18n });
	return key;
}

function rootOf(content: Uint8Array): string {
	return hexOf(fileRoot(content).root);
}

/** What an answer says of content that nobody has paid for. */
function unpaid(content: Uint8Array): object {
	const { nodes } = fileRoot(content);
	return {
		state: 'unpaid',
		chainId: 31_337,
		flow: chain.flowAddress,
		submission: {
			length: content.length,
			tags: '0x',
			nodes: nodes.map(({ root, height }) => ({ root: hexOf(root), height })),
		},
		fee: String(sectorsOf(nodes) * chain.price),
	};
}

function putOf(rest: ServedStore, content: Uint8Array, query = ''): Promise<Answer> {
	return ask(rest, `/v1/upload/a%20name${query}`, { method: 'PUT', body: content });
}

async function untilFile(rest: ServedStore, content: Uint8Array): Promise<void> {
	await until('the file', async () => (await ask(rest, `/v1/files/${rootOf(content)}`)).status === 200);
}

/** Mines until an answer is there. */
async function mining<T>(answer: Promise<T>): Promise<T> {
	let isThere = false;
	const over = answer.finally(() => (isThere = true));
	await until('the answer', async () => {
		if (!isThere) await chain.mine(1);
		return isThere;
	});
	return over;
}

describe('without a key', () => {
	it('PUT answers 202 with the submission, and 200 once it is there', async (t) => {
		const { rest } = await start(t);
		const content = prng.bytes(600_000);
		const answer = await putOf(rest, content);
		assert.equal(answer.status, 202);
		const { length: size } = content;
		assert.deepEqual(answer.json, {
			root: rootOf(content),
			pending: unpaid(content),
			size,
			name: 'a name',
			segments: 3,
		});
		assert.equal((await ask(rest, `/v1/files/${rootOf(content)}`)).status, 404);
		await chain.submit([content]);
		await untilFile(rest, content);
		const info = await ask(rest, `/v1/files/${rootOf(content)}/info`);
		assert.equal(info.json['name'], 'a name');
		const again = await putOf(rest, content);
		assert.deepEqual([again.status, again.json['txSeq'], again.json['pending']], [200, info.json['txSeq'], undefined]);
	});

	it('a form tells it of each file, a directory of its metadata too', async (t) => {
		const { rest } = await start(t);
		const [first, second] = [prng.bytes(1000), prng.bytes(300_000)];
		const parts = [
			{ filename: 'a', body: first },
			{ filename: 'b', body: second },
		];
		const form = await ask(rest, '/v1/upload', { method: 'POST', headers: FORM, body: formOf(parts) });
		assert.equal(form.status, 202);
		const { files } = form.json as unknown as { readonly files: readonly { readonly pending: object }[] };
		assert.deepEqual(
			files.map(({ pending }) => pending),
			[unpaid(first), unpaid(second)],
		);
		const body = formOf([...parts, { filename: 'empty', body: Buffer.alloc(0) }]);
		const directory = await ask(rest, '/v1/upload?directory=d', { method: 'POST', headers: FORM, body });
		assert.equal(directory.status, 202);
		const told = directory.json as unknown as {
			readonly root: string;
			readonly pending: { readonly submission: { readonly nodes: readonly object[] } };
			readonly files: readonly object[];
		};
		assert.deepEqual(told.pending.submission.nodes, [{ root: told.root, height: 1 }]);
		assert.deepEqual(told.files, [
			{ path: 'a', size: first.length, root: rootOf(first), pending: unpaid(first) },
			{ path: 'b', size: second.length, root: rootOf(second), pending: unpaid(second) },
			{ path: 'empty', size: 0 },
		]);
	});

	it('tus tells it with the last bytes, and the number of the submission later, also after a restart', async (t) => {
		const { rest, store } = await start(t);
		const content = prng.bytes(700_000);
		const tus = { 'Tus-Resumable': '1.0.0' };
		const made = await ask(rest, '/v1/tus/', {
			method: 'POST',
			headers: { ...tus, 'Upload-Length': String(content.length), 'Upload-Metadata': `filename ${btoa('tus')}` },
		});
		const location = String(made.headers.location);
		const patched = await ask(rest, location, {
			method: 'PATCH',
			headers: { ...tus, 'Upload-Offset': '0', 'Content-Type': 'application/offset+octet-stream' },
			body: content,
		});
		assert.equal(patched.status, 204);
		assert.equal(patched.headers['perigee-root'], rootOf(content));
		assert.deepEqual(JSON.parse(String(patched.headers['perigee-pending'])), unpaid(content));
		assert.equal(patched.headers['perigee-tx-seq'], undefined);
		const head = async (from: ServedStore) => (await ask(from, location, { method: 'HEAD', headers: tus })).headers;
		assert.equal((await head(rest))['perigee-pending'], '{}');
		const { dataDir } = store;
		await rest.server.close();
		await store.close();
		const again = await openChainStore(stores, chain, {}, dataDir);
		const later = await serve(again.files);
		assert.equal((await head(later))['perigee-pending'], '{}');
		await chain.submit([content]);
		await untilFile(later, content);
		const { 'perigee-pending': pending, 'perigee-tx-seq': txSeq } = await head(later);
		const info = (await ask(later, `/v1/files/${rootOf(content)}/info`)).json;
		assert.deepEqual([pending, txSeq, info['name']], [undefined, String(info['txSeq']), 'tus']);
		await later.server.close();
		await again.close();
	});

	it('gRPC tells it in its answer', async (t) => {
		const { store } = await start(t);
		const { target } = await serveGrpc(t, store.files);
		const content = prng.bytes(9000);
		const outcome = await uploadOverGrpc(connectFiles(t, target), content);
		assert.ok('answer' in outcome);
		const { root, pending, txSeq } = outcome.answer as Record<string, unknown>;
		const { submission, ...rest } = unpaid(content) as { submission: { length: number; nodes: object[] } };
		assert.equal(root, rootOf(content));
		assert.ok(txSeq === undefined || txSeq === '0');
		const told = pending as Record<string, unknown>;
		assert.deepEqual(
			[told['state'], Number(told['chainId']), told['flow'], told['fee'], Number(told['length']), told['nodes']],
			['unpaid', 31_337, chain.flowAddress, (rest as { fee?: string }).fee, content.length, submission.nodes],
		);
	});
});

describe('with a key', () => {
	it('PUT answers 201 once the chain shows it, within ?wait=, and 202 with the transaction otherwise', async (t) => {
		const { rest } = await start(t, await funded());
		const paid = prng.bytes(5000);
		const answer = await mining(putOf(rest, paid));
		assert.equal(answer.status, 201);
		assert.equal(typeof answer.json['txSeq'], 'number');
		assert.equal((await ask(rest, `/v1/files/${rootOf(paid)}`)).status, 200);

		const other = prng.bytes(6000);
		const early = await putOf(rest, other, '?wait=0');
		assert.equal(early.status, 202);
		const isSent = async (): Promise<boolean> => {
			const { pending } = (await putOf(rest, other, '?wait=0')).json as unknown as {
				readonly pending?: { readonly state: string; readonly transaction?: string };
			};
			return pending?.state === 'sent' && /^0x[0-9a-f]{64}$/.test(pending.transaction ?? '');
		};
		await until('the transaction', isSent);
		const late = await mining(putOf(rest, other, '?wait=20'));
		assert.ok(late.status === 201 || late.status === 200, late.text);
		for (const wait of ['x', '-1', '601', '1.5', ''])
			assert.equal((await putOf(rest, other, `?wait=${wait}`)).status, 400, wait);
	});

	it('a directory, tus and gRPC wait too', async (t) => {
		const { rest, store } = await start(t, await funded());
		const contents = [prng.bytes(400), prng.bytes(500_000), prng.bytes(2000), prng.bytes(3000)];
		const [first, second, third, fourth] = contents as [Buffer, Buffer, Buffer, Buffer];
		const body = formOf([
			{ filename: 'a', body: first },
			{ filename: 'b', body: second },
		]);
		const directory = await mining(
			ask(rest, '/v1/upload?directory=d&wait=60', { method: 'POST', headers: FORM, body }),
		);
		assert.equal(directory.status, 201);
		const { files } = directory.json as unknown as { readonly files: readonly { readonly txSeq?: number }[] };
		assert.ok(files.every(({ txSeq }) => txSeq !== undefined));
		const path = await ask(rest, `/v1/files/${String(directory.json['root'])}/path/b`);
		assert.ok(path.body.equals(second));

		const headers = { 'Tus-Resumable': '1.0.0', 'Content-Type': 'application/offset+octet-stream' };
		const made = await mining(
			ask(rest, '/v1/tus/', {
				method: 'POST',
				headers: { ...headers, 'Upload-Length': String(third.length) },
				body: third,
			}),
		);
		assert.equal(typeof made.headers['perigee-tx-seq'], 'string');

		const { target } = await serveGrpc(t, store.files);
		const outcome = await mining(uploadOverGrpc(connectFiles(t, target), fourth));
		assert.ok('answer' in outcome);
		assert.equal((await ask(rest, `/v1/submissions/${String(outcome.answer['txSeq'])}`)).body.equals(fourth), true);
	});

	it('who waits is told that the node stops, and the payment goes on with the next start', async (t) => {
		const key = await funded();
		const { store, rest } = await start(t, key);
		const before = await chain.submissions();
		const content = prng.bytes(7000);
		const answer = putOf(rest, content, '?wait=60');
		await until('the payment', () => store.sent.length > 0);
		const { dataDir } = store;
		await store.close();
		assert.deepEqual([(await answer).status, (await answer).json['code']], [503, 'SHUTTING_DOWN']);
		const again = await openChainStore(stores, chain, { key }, dataDir);
		const later = await serve(again.files);
		await mining(untilFile(later, content));
		assert.equal((await chain.submissions()) - before, 1);
		await later.server.close();
		await again.close();
	});
});
