/** A row of the table: how it is measured in rounds, and what is kept of it. */
import type { BenchSizes } from './options.js';

export interface BenchContext {
	readonly sizes: BenchSizes;
	readonly rounds: number;
	/** A look, not a measurement: nobody waits for the disk to become quiet. */
	readonly isQuick: boolean;
	/** Exists; removed at the end. */
	readonly workDir: string;
	/** Tells a waiting person what happens. */
	readonly progress: (text: string) => void;
}

export interface Row {
	readonly id: string;
	readonly title: string;
	measure(context: BenchContext): Promise<RowResult>;
}

export interface Goal {
	readonly text: string;
	/** Undefined where this machine cannot tell. */
	readonly met: boolean | undefined;
}

export interface RowResult {
	readonly unit: string;
	/** Medians over the rounds. */
	readonly ours: number;
	readonly reference?: number;
	readonly referenceName?: string;
	/** Median of the ratios of the rounds: each pairs two measurements that follow each other. */
	readonly ratio?: number;
	readonly goal?: Goal;
	/** What each round measured. */
	readonly rounds: readonly Round[];
	/** More figures of interest. */
	readonly details?: Readonly<Record<string, number>>;
}

export interface Round {
	readonly ours: number;
	readonly reference: number;
}

/** Measures both sides in turn, after one round that is not counted. `measure` gets -1 for that one. */
export async function interleave(
	rounds: number,
	ours: (round: number) => number | Promise<number>,
	reference: (round: number) => number | Promise<number>,
): Promise<Round[]> {
	const results: Round[] = [];
	for (let round = -1; round < rounds; round++) {
		const result = { ours: await ours(round), reference: await reference(round) };
		if (round >= 0) results.push(result);
	}
	return results;
}

/** Medians of both sides and of the ratio. */
export function summarize(rounds: readonly Round[]): { ours: number; reference: number; ratio: number } {
	return {
		ours: median(rounds.map((round) => round.ours)),
		reference: median(rounds.map((round) => round.reference)),
		ratio: median(rounds.map((round) => round.ours / round.reference)),
	};
}

export function median(values: readonly number[]): number {
	const sorted = values.toSorted((a, b) => a - b);
	const middle = sorted.length / 2;
	const upper = sorted[Math.floor(middle)] ?? Number.NaN;
	return Number.isInteger(middle) ? ((sorted[middle - 1] ?? Number.NaN) + upper) / 2 : upper;
}

export function atLeast(limit: number, value: number, unit: string): Goal {
	return { text: `≥ ${limit} ${unit}`, met: value >= limit };
}

export function atMost(limit: number, value: number, unit: string): Goal {
	return { text: `≤ ${limit} ${unit}`, met: value <= limit };
}
