/** `perigee mine status|start|stop`: mining of a running node. */
import type { Static } from 'typebox';
import type { MINING_STATUS } from '../api/rest/mining-schema.js';
import { type AdminOptions, connectAdmin } from './node-client.js';
import { type OutputOptions, printResult } from './output.js';
import { printable } from './printable.js';

export interface MineVerbOptions extends AdminOptions, OutputOptions {}

export type MineAction = 'start' | 'stop' | 'status';

type MiningBody = Static<typeof MINING_STATUS>;

/** Prints why the node mines or does not, and what it has done, after it was started or stopped. */
export async function mine(action: MineAction, options: MineVerbOptions): Promise<void> {
	const client = connectAdmin(options);
	try {
		const path = action === 'status' ? '/v1/admin/mining' : `/v1/admin/mining/${action}`;
		const status = await client.requests.json<MiningBody>(path, { method: action === 'status' ? 'GET' : 'POST' });
		printResult(options, status, textOf(status).map(printable).join('\n'));
	} finally {
		client.close();
	}
}

function textOf(status: MiningBody): string[] {
	const { state, reason, since, minerId, beneficiary, work, sealing, totals } = status;
	const lines = [`state: ${state}: ${reason}`];
	if (since !== undefined) lines.push(`since: ${since}`);
	if (state === 'off') return lines;
	if (minerId !== undefined) lines.push(`miner: ${minerId}, pays ${beneficiary ?? 'nobody'}`);
	if (work)
		lines.push(
			`epoch: ${work.epoch}, ${work.mineLength} sectors from ${work.startPosition} of a flow of ${work.flowLengthSectors}`,
		);
	lines.push(
		`sealed: ${sealing.segments} flow segments, ${sealing.seals} seals; to do: ${sealing.backlog}`,
		...(sealing.trouble === undefined ? [] : [`sealing: ${sealing.trouble}`]),
		`rate: ${status.noncesPerSecond} nonces a second on ${status.threads} threads at ${status.cpuPercent} %`,
		`tried: ${totals.nonces} nonces, ${totals.qualities} seals, ${totals.reads} reads, ${totals.readFailures} of them failed`,
		`answers: ${totals.accepted} accepted, ${totals.refused} refused, ${totals.givenUp} given up`,
	);
	if (status.lastRefusal) lines.push(`last refusal: ${status.lastRefusal.at}: ${status.lastRefusal.reason}`);
	lines.push(
		`rewards: ${totals.rewards} since the start, ${status.rewardsWaiting ?? 'unknown'} to be withdrawn; gas: ${totals.gasSpent}`,
	);
	return lines;
}
