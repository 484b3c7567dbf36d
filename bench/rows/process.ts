/** Rows about the server process itself while a large upload runs at full speed: memory, and how long the event loop is held. */
import { availableParallelism } from 'node:os';
import { memoryOf } from '../servers/process-stats.js';
import type { ServerPair } from '../servers/pair.js';
import { withServers } from '../servers/pair.js';
import type { ServerProcess } from '../servers/processes.js';
import { atMost, interleave, type Row, summarize } from '../row.js';

const MIB = 2 ** 20;
const SAMPLE_MS = 50;
const IDLE_SAMPLES = 20;
const MEMORY_GOAL_MIB = 48;
const DELAY_GOAL = 3;
/** The histogram that both servers read tells nothing finer. */
const DELAY_FLOOR_MS = 0.1;
/** A run for longer stops of the machine, as a share of its processors' time, is made again, so many times. One stop of 20 ms is less. */
const STOLEN_SHARE = 0.005;
const DELAY_TRIES = 5;

const memory: Row = {
	id: 'memory',
	title: 'anonymous memory that a large upload adds, at its peak',
	measure: (context) =>
		withServers(context, async (pair) => {
			const results: Record<ServerProcess['name'], { added: number; addedResident: number; idle: number }> = {
				perigee: await grown(pair, pair.perigee, context.sizes.memoryFileBytes),
				bare: await grown(pair, pair.bare, context.sizes.memoryFileBytes),
			};
			const { perigee, bare } = results;
			return {
				unit: 'MiB',
				ours: perigee.added,
				reference: bare.added,
				referenceName: 'bare node:http',
				goal: atMost(MEMORY_GOAL_MIB, perigee.added, 'MiB'),
				rounds: [{ ours: perigee.added, reference: bare.added }],
				details: {
					'ours, anonymous when idle, MiB': perigee.idle,
					'ours, all resident memory added (with mapped files), MiB': perigee.addedResident,
					'bare, all resident memory added (with mapped files), MiB': bare.addedResident,
				},
			};
		}),
};

/** Peak over idle, in MiB, with an idle process that has just started. */
async function grown(pair: ServerPair, server: ServerProcess, sizeBytes: number) {
	const idle = await watch(server.pid, new Promise((resolve) => setTimeout(resolve, IDLE_SAMPLES * SAMPLE_MS)));
	const busy = await watch(server.pid, pair.run(server, { kind: 'upload', name: 'memory', sizeBytes, seed: 1 }));
	return {
		added: (busy.anonymous - idle.anonymous) / MIB,
		addedResident: (busy.resident - idle.resident) / MIB,
		idle: idle.anonymous / MIB,
	};
}

/** Largest sizes seen while something runs. */
async function watch(pid: number, work: Promise<unknown>): Promise<{ anonymous: number; resident: number }> {
	const peak = { anonymous: 0, resident: 0 };
	const look = (): void => {
		const now = memoryOf(pid);
		peak.anonymous = Math.max(peak.anonymous, now.anonymous);
		peak.resident = Math.max(peak.resident, now.resident);
	};
	const timer = setInterval(look, SAMPLE_MS);
	try {
		await work;
	} finally {
		clearInterval(timer);
	}
	look();
	return peak;
}

const loopDelay: Row = {
	id: 'loop-delay',
	title: 'event-loop delay p99 during a large upload',
	measure: (context) =>
		withServers(context, async (pair) => {
			const sizeBytes = context.sizes.memoryFileBytes;
			const stolenShares: number[] = [];
			let stoppedRuns = 0;
			const once = async (server: ServerProcess, name: string, seed: number): Promise<Delay> => {
				await pair.settle('drop');
				await readDelayMs(server);
				const run = await pair.run(server, { kind: 'upload', name, sizeBytes, seed });
				const delayMs = Math.max(DELAY_FLOOR_MS, await readDelayMs(server));
				return { delayMs, stolenShare: run.stolenSeconds / (run.seconds * availableParallelism()) };
			};
			const measure = (server: ServerProcess) => async (round: number) => {
				context.progress(`${server.name}, round ${round + 1} of ${context.rounds}`);
				let best: Delay | undefined;
				for (let attempt = 0; attempt < DELAY_TRIES; attempt++) {
					const delay = await once(server, `delay-${round + 1}-${attempt}`, 1 + (round + 1) * DELAY_TRIES + attempt);
					if (!best || delay.stolenShare < best.stolenShare) best = delay;
					if (best.stolenShare <= STOLEN_SHARE) break;
					stoppedRuns++;
				}
				if (!best) throw new Error('nothing was measured');
				if (round >= 0) stolenShares.push(best.stolenShare);
				return best.delayMs;
			};
			const rounds = await interleave(Math.min(3, context.rounds), measure(pair.perigee), measure(pair.bare));
			const summary = summarize(rounds);
			return {
				unit: 'ms',
				...summary,
				referenceName: 'bare node:http',
				goal: atMost(DELAY_GOAL, summary.ratio, 'x'),
				rounds,
				details: {
					'runs made again because the machine was stopped meanwhile': stoppedRuns,
					'most that was taken from the processors in a run that counts, %': Math.max(0, ...stolenShares) * 100,
				},
			};
		}),
};

interface Delay {
	readonly delayMs: number;
	/** Of the processors' time, what the machine was stopped for. */
	readonly stolenShare: number;
}

export const processRows: readonly Row[] = [memory, loopDelay];

/** The delay since it was read last. */
async function readDelayMs(server: ServerProcess): Promise<number> {
	const answer = await fetch(`http://127.0.0.1:${server.port}/metrics`);
	const match = /^perigee_event_loop_delay_seconds\{quantile="0\.99"\} (\S+)$/m.exec(await answer.text());
	if (!match) throw new Error(`${server.name} tells no event-loop delay`);
	return Number(match[1]) * 1000;
}
