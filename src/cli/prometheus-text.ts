/** Reads the text format of Prometheus: as much of it as a node writes, and not more than a bound. */
import { LIMITS } from '../limits.js';

export interface Sample {
	readonly labels: Readonly<Record<string, string>>;
	readonly value: number;
}

/** One scrape: samples by the name of their metric. */
export class Samples {
	readonly #byName = new Map<string, Sample[]>();

	/** Lines that say something else are passed over, and so is what comes behind `LIMITS.clientMetricSamples` samples. */
	constructor(text: string) {
		let count = 0;
		for (const [, name = '', labels = '', value = ''] of text.matchAll(LINE)) {
			if (++count > LIMITS.clientMetricSamples) return;
			const samples = this.#byName.get(name) ?? [];
			samples.push({ labels: labelsOf(labels), value: Number(value.replace(/Inf$/, 'Infinity')) });
			this.#byName.set(name, samples);
		}
	}

	of(name: string): readonly Sample[] {
		return this.#byName.get(name) ?? [];
	}

	/** Sum over the samples whose labels are right; 0 when there are none. */
	sum(name: string, isRight: (labels: Sample['labels']) => boolean = () => true): number {
		return this.of(name).reduce((sum, { labels, value }) => (isRight(labels) ? sum + value : sum), 0);
	}
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{([^\n]*)\})? ([-+]?(?:[0-9.]+(?:e[-+]?[0-9]+)?|Inf)|NaN)(?: [0-9]+)?$/gim;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

function labelsOf(text: string): Sample['labels'] {
	const labels: Record<string, string> = {};
	for (const [, name = '', value = ''] of text.matchAll(LABEL))
		labels[name] = value.replaceAll(/\\(.)/g, (_, sign: string) => (sign === 'n' ? '\n' : sign));
	return labels;
}

/** A bucket of a histogram: how many observations were at most `bound`. */
export interface Bucket {
	readonly bound: number;
	readonly count: number;
}

/** A quantile (0 to 1) of cumulative buckets in rising order, linear within a bucket; undefined without observations. */
export function quantileOf(buckets: readonly Bucket[], quantile: number): number | undefined {
	const total = buckets.at(-1)?.count ?? 0;
	if (total <= 0) return undefined;
	const rank = quantile * total;
	let [below, from] = [0, 0];
	for (const { bound, count } of buckets) {
		if (count >= rank && count > below) {
			// Above the last bound nothing is known but that bound.
			if (bound === Number.POSITIVE_INFINITY) return from;
			return from + ((bound - from) * (rank - below)) / (count - below);
		}
		[below, from] = [count, bound];
	}
	return from;
}
