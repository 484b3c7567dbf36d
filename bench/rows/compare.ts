/** Puts the same workload on both servers in turn. */
import type { JobResult } from '../load/jobs.js';
import type { Workload } from '../load/workloads.js';
import { type BenchContext, interleave, median, type RowResult, summarize } from '../row.js';
import { type Measured, type ServerPair, withServers } from '../servers/pair.js';
import type { ServerProcess } from '../servers/processes.js';

type Compared = Required<Omit<RowResult, 'unit' | 'goal'>>;

/** A node against the bare server; `rateOf` makes the row's figure of a run. */
export function compareServers(
	context: BenchContext,
	workload: Workload,
	rateOf: (result: JobResult) => number,
): Promise<Compared> {
	return withServers(context, async (pair) => {
		const ours = await sideOf(context, pair, pair.perigee, workload);
		const bare = await sideOf(context, pair, pair.bare, workload);
		if (ours.checked !== bare.checked) throw new Error(`${workload.id}: the two servers answer different bytes`);
		const rounds = await interleave(
			context.rounds,
			async (round) => rateOf(await ours.measure(round)),
			async (round) => rateOf(await bare.measure(round)),
		);
		return {
			...summarize(rounds),
			referenceName: 'bare node:http',
			rounds,
			details: { ...costs('ours', ours.runs), ...costs('bare', bare.runs) },
		};
	});
}

async function sideOf(context: BenchContext, pair: ServerPair, server: ServerProcess, workload: Workload) {
	const jobOf = await workload.prepare((job) => pair.run(server, job));
	const checked = await workload.check((job) => pair.run(server, job), jobOf);
	const runs: Measured[] = [];
	return {
		checked,
		runs,
		async measure(round: number): Promise<Measured> {
			context.progress(`${server.name}, round ${round + 1} of ${context.rounds}`);
			await pair.settle(workload.isServedFromCache ? 'keep' : 'drop');
			const result = await pair.run(server, jobOf(round));
			if (round >= 0) runs.push(result);
			return result;
		},
	};
}

/** What a run costs either side, so that a noisy machine can be told from a slow server. */
function costs(side: string, runs: readonly Measured[]): Record<string, number> {
	const middle = (pick: (run: Measured) => number): number => median(runs.map(pick));
	const isOneRequest = runs.every((run) => run.requests === 1);
	const unit = isOneRequest ? 's' : 'µs a request';
	const scale = (run: Measured): number => (isOneRequest ? 1 : 1e6 / run.requests);
	const processor = {
		[`${side}, processor time of the server, ${unit}`]: middle((run) => run.serverCpuSeconds * scale(run)),
		[`${side}, processor time of the client, ${unit}`]: middle((run) => run.clientCpuSeconds * scale(run)),
	};
	if (isOneRequest) return processor;
	return {
		...processor,
		[`${side}, latency p50, ms`]: middle((run) => run.latencyMs.p50),
		[`${side}, latency p99, ms`]: middle((run) => run.latencyMs.p99),
	};
}
