import type { Metrics } from '../../metrics/metrics.js';

/** Counts and times the requests of one route. Labels are looked up once for each method and status. */
export class RouteMeter {
	readonly #metrics: Metrics;
	readonly #route: string;
	readonly #seconds: { observe(value: number): void };
	readonly #counters = new Map<string, Map<number, { inc(): void }>>();

	constructor(metrics: Metrics, route: string) {
		this.#metrics = metrics;
		this.#route = route;
		this.#seconds = metrics.httpSeconds.labels(route);
	}

	record(method: string, status: number, seconds: number): void {
		let byStatus = this.#counters.get(method);
		if (byStatus === undefined) {
			byStatus = new Map();
			this.#counters.set(method, byStatus);
		}
		let counter = byStatus.get(status);
		if (counter === undefined) {
			counter = this.#metrics.httpRequests.labels(method, this.#route, String(status));
			byStatus.set(status, counter);
		}
		counter.inc();
		this.#seconds.observe(seconds);
	}
}
