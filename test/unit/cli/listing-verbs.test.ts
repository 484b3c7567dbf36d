import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import * as http from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { fileRoot } from '../../../src/native/addon.js';
import { hexOf } from '../../../src/units.js';
import { put } from '../../support/rest-server.js';
import { runCli, startMemoryNode } from '../../support/processes.js';

type Cli = (args: readonly string[]) => ReturnType<typeof runCli>;

/** A node with `count` files, each with a name of its own, and the command line that talks to it. */
async function filled(
	t: Parameters<typeof startMemoryNode>[0],
	count: number,
): Promise<{ cli: Cli; roots: readonly string[] }> {
	const node = await startMemoryNode(t);
	const port = Number(new URL(node).port);
	const roots: string[] = [];
	for (let index = 0; index < count; index++)
		roots.push(await put({ port }, randomBytes(20 + index), `${index % 2 === 0 ? 'a' : 'b'}-${index}`));
	return { cli: (args) => runCli(args, { env: { PERIGEE_NODE: node } }), roots };
}

const linesOf = (stdout: Buffer): string[] => stdout.toString().split('\n').slice(0, -1);

describe('verbs that look at a node', () => {
	it('ls lists all files over as many pages as it takes, some, or the newest; rm deletes them', async (t) => {
		const { cli, roots } = await filled(t, 230);
		const all = await cli(['ls']);
		assert.deepEqual([all.code, all.stderr], [0, '']);
		const lines = linesOf(all.stdout);
		assert.deepEqual(
			lines.map((line) => line.split(' ')[0]),
			roots,
		);
		assert.match(lines[229] as string, / +229 +249 \d{4}-\d\d-\d\dT[\d:.]+Z b-229$/);
		assert.equal(linesOf((await cli(['ls', 'a-'])).stdout).length, 115);
		const [newest] = linesOf((await cli(['ls', '--newest', '--limit', '1', '--json'])).stdout);
		assert.deepEqual(Object.keys(JSON.parse(newest as string) as object).sort(), [
			'deleted',
			'finalized',
			'name',
			'root',
			'size',
			'txSeq',
			'type',
			'uploadedAt',
		]);
		assert.equal((JSON.parse(newest as string) as { root: string }).root, roots[229]);
		assert.equal(linesOf((await cli(['ls', '--limit', '150'])).stdout).length, 150);
		const removed = await cli(['rm', roots[0] as string, roots[1] as string]);
		assert.deepEqual([removed.code, linesOf(removed.stdout)], [0, roots.slice(0, 2)]);
		assert.equal(linesOf((await cli(['ls'])).stdout).length, 228);
		const [first] = linesOf((await cli(['ls', '--deleted', '--limit', '1'])).stdout);
		assert.match(first as string, /a-0 \(deleted\)$/);
	});

	it('ls refuses a limit that is none; rm deletes nothing when one of its arguments is no root', async (t) => {
		const { cli, roots } = await filled(t, 1);
		assert.equal((await cli(['ls', '--limit', '0'])).code, 2);
		assert.equal((await cli(['rm', roots[0] as string, 'x'])).code, 2);
		assert.equal(linesOf((await cli(['ls'])).stdout).length, 1);
		const unknown = await cli(['rm', hexOf(fileRoot(Buffer.from('unknown')).root)]);
		assert.equal(unknown.code, 3);
		assert.match(unknown.stderr, /code: NOT_FOUND/);
	});

	it('ping tells how fast the node answers, and 5 when none does', async (t) => {
		const { cli } = await filled(t, 0);
		const answer = await cli(['ping', '--json']);
		assert.equal(answer.code, 0);
		const { milliseconds, version } = JSON.parse(answer.stdout.toString()) as { milliseconds: number; version: string };
		assert.ok(milliseconds > 0);
		assert.equal(version, '0.0.0');
		assert.equal((await cli(['ping', '--node', 'http://127.0.0.1:1'])).code, 5);
	});

	it('status tells how the node is; 7 when it takes no uploads', async (t) => {
		const { cli } = await filled(t, 2);
		const well = await cli(['status']);
		assert.equal(well.code, 0);
		assert.match(well.stdout.toString(), /^ready: yes\nsubmissions: 2\nflow: \d+ sectors, root 0x[0-9a-f]{64}\n$/m);
		const server = http.createServer(({ url }, response) => {
			const isLive = url === '/health/live';
			response.writeHead(isLive ? 200 : 503, { 'Content-Type': 'application/json' });
			const reasons = [{ code: 'REBUILDING', message: 'it is rebuilt', ready: false }];
			response.end(JSON.stringify(isLive ? { status: 'live', version: '1' } : { ready: false, reasons }));
		});
		server.listen(0, '127.0.0.1');
		await once(server, 'listening');
		t.after(() => server.close());
		const ill = await cli(['status', '--node', `http://127.0.0.1:${(server.address() as AddressInfo).port}`, '--json']);
		assert.equal(ill.code, 7);
		const state = JSON.parse(ill.stdout.toString()) as Record<string, unknown>;
		assert.deepEqual(Object.keys(state), ['node', 'version', 'ready', 'reasons']);
	});
});
