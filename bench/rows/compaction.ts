/** The row about the debt of compaction: disk use against live data, while half of what comes is deleted. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startChurn } from '../load/churn.js';
import type { BenchContext, Row } from '../row.js';
import { diskBytes } from '../scale/large-stores.js';
import { cpuSecondsOf } from '../servers/process-stats.js';
import { startPerigee } from '../servers/processes.js';

const MIB = 2 ** 20;
/** Makes log files of 32 MiB: a quarter of the reserve. */
const RESERVE_BYTES = 128 * MIB;
const SAMPLE_MS = 1000;
const FINAL_GOAL = 1.1;
/** The highest ratio of the last third of the load may be so much of the highest of the middle third. */
const GROWTH_GOAL = 1.1;
/** After the load: as long as files still go, and three looks of compaction more. */
const REST_SAMPLES = 30;
const REST_SAMPLES_MOST = 120;

interface Sample {
	readonly diskBytes: number;
	readonly liveBytes: number;
}

export const compactionRow: Row = {
	id: 'scale-compaction',
	title: 'disk use for each live byte, after uploads at a steady rate of which half were deleted',
	async measure(context) {
		const dataDir = await mkdtemp(join(context.workDir, 'churn-'));
		try {
			return await measureIn(dataDir, context);
		} finally {
			await rm(dataDir, { recursive: true });
		}
	},
};

async function measureIn(dataDir: string, { sizes, progress }: BenchContext): ReturnType<Row['measure']> {
	const server = await startPerigee({ dataDir, env: { PERIGEE_STORAGE_RESERVE_BYTES: String(RESERVE_BYTES) } });
	try {
		const log = join(dataDir, 'log');
		const churn = await startChurn(server.port, sizes.churnBytesPerSecond);
		const sample = async (): Promise<Sample> => {
			await delay(SAMPLE_MS);
			return { diskBytes: await diskBytes(log), liveBytes: churn.liveBytes };
		};
		const loaded: Sample[] = [];
		while (loaded.length < sizes.churnSeconds) {
			loaded.push(await sample());
			progress(`${loaded.length} of ${sizes.churnSeconds} s, ratio ${ratioOf(loaded.at(-1)).toFixed(3)}`);
		}
		await churn.stop();
		const cpuSeconds = cpuSecondsOf(server.pid);
		const rested: Sample[] = [await sample()];
		while (rested.length < REST_SAMPLES_MOST && !isAtRest(rested)) {
			rested.push(await sample());
			progress(`load stopped ${rested.length} s ago, ratio ${ratioOf(rested.at(-1)).toFixed(3)}`);
		}
		const third = Math.floor(loaded.length / 3);
		const middle = Math.max(...loaded.slice(third, 2 * third).map(ratioOf));
		const last = Math.max(...loaded.slice(2 * third).map(ratioOf));
		const ours = ratioOf(rested.at(-1));
		return {
			unit: 'x',
			ours,
			goal: {
				text: `≤ ${FINAL_GOAL} x, bounded`,
				met: ours <= FINAL_GOAL && last <= GROWTH_GOAL * middle,
			},
			rounds: [],
			details: {
				'highest in the middle third of the load': middle,
				'highest in its last third': last,
				'uploaded, MiB/s': churn.uploadedBytes / MIB / loaded.length,
				'deleted, MiB/s': churn.deletedBytes / MIB / loaded.length,
				'live at the end, MiB': churn.liveBytes / MIB,
				'processor time of the node under the load, of one core': cpuSeconds / loaded.length,
				...series(loaded),
			},
		};
	} finally {
		await server.stop();
	}
}

/** Nothing has changed on the disk for long enough. */
function isAtRest(samples: readonly Sample[]): boolean {
	const last = samples.slice(-REST_SAMPLES);
	return last.length === REST_SAMPLES && last.every(({ diskBytes: bytes }) => bytes === last[0]?.diskBytes);
}

function ratioOf(sample: Sample | undefined): number {
	return sample ? sample.diskBytes / sample.liveBytes : Number.NaN;
}

/** Ten points of the load, evenly spread. */
function series(samples: readonly Sample[]): Record<string, number> {
	const points: Record<string, number> = {};
	for (let tenth = 1; tenth <= 10; tenth++) {
		const at = Math.ceil((samples.length * tenth) / 10);
		points[`ratio after ${at} s`] = ratioOf(samples[at - 1]);
	}
	return points;
}
