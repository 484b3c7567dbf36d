/** Runs the same jobs on both servers in turn. */
import type { JobResult } from '../load/jobs.js';
import { type BenchContext, interleave, median, type RowResult, summarize } from '../row.js';
import type { Measured, ServerJob, ServerPair } from '../servers/pair.js';
import type { ServerProcess } from '../servers/processes.js';

type Compared = Required<Omit<RowResult, 'unit' | 'goal'>>;

/** `makeJob` is asked anew for each run; `rateOf` makes the row's figure of a run. */
export async function compareServers(
	context: BenchContext,
	pair: ServerPair,
	makeJob: (server: ServerProcess, round: number) => ServerJob,
	rateOf: (result: JobResult) => number,
	options: { readonly settle?: boolean } = {},
): Promise<Compared> {
	const runs = new Map<ServerProcess, Measured[]>([
		[pair.perigee, []],
		[pair.bare, []],
	]);
	const measure = (server: ServerProcess) => async (round: number) => {
		context.progress(`${server.name}, round ${round + 1} of ${context.rounds}`);
		if (options.settle === true) await pair.settle();
		const result = await pair.run(server, makeJob(server, round));
		if (round >= 0) runs.get(server)?.push(result);
		return rateOf(result);
	};
	const rounds = await interleave(context.rounds, measure(pair.perigee), measure(pair.bare));
	return {
		...summarize(rounds),
		referenceName: 'bare node:http',
		rounds,
		details: {
			...costs('ours', runs.get(pair.perigee) ?? []),
			...costs('bare', runs.get(pair.bare) ?? []),
		},
	};
}

function costs(side: string, runs: readonly Measured[]): Record<string, number> {
	const middle = (pick: (run: Measured) => number): number => median(runs.map(pick));
	const perRequest = runs[0] && runs[0].requests > 1;
	const unit = perRequest ? 'µs a request' : 's';
	const scale = (run: Measured): number => (perRequest ? 1e6 / run.requests : 1);
	return {
		[`${side}, processor time of the server, ${unit}`]: middle((run) => run.serverCpuSeconds * scale(run)),
		[`${side}, processor time of the client, ${unit}`]: middle((run) => run.clientCpuSeconds * scale(run)),
		...(perRequest
			? {
					[`${side}, latency p50, ms`]: middle((run) => run.latencyMs.p50),
					[`${side}, latency p99, ms`]: middle((run) => run.latencyMs.p99),
				}
			: {}),
	};
}
