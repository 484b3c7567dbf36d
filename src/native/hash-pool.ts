/**
 * Hashes segments of the slab ring on worker threads: requests that come while all workers are busy gather, and up to 16 segments of
 * whichever uploads make one task, which is one native call.
 */
import { setMaxListeners } from 'node:events';
import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import { asPerigeeError, PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import { HASH_BYTES, SECTOR_BYTES, SEGMENT_BLOCKS, SEGMENT_BYTES, SEGMENT_SECTORS } from '../units.js';
import { allocateRegions, type HashRegion, type HashWorkerData, packTask, regionViews } from './hash-task.js';
import type { SlabRing, Slot } from './slab-ring.js';

/** One segment to hash: the first `lengthBytes` of the slot, padded with zero sectors to `leaves` leaves. */
export interface HashInput {
	readonly slot: Slot;
	/** 1 to 262,144. */
	readonly lengthBytes: number;
	/** From the sectors of `lengthBytes` to 1,024. */
	readonly leaves: number;
}

export interface SegmentHash {
	/** 32 bytes. */
	readonly root: Uint8Array;
	/** CRC-32C of each 4,096-byte block of `lengthBytes`, little-endian. */
	readonly blockCrcs: Uint8Array;
}

export interface HashTicket {
	/** In the order of the inputs. Errors: the signal's reason after an abort, OVERLOADED, SHUTTING_DOWN, INTERNAL. */
	readonly hashes: Promise<readonly SegmentHash[]>;
	/** Resolves when no native call reads the slots any more; only then may they be released, also after an abort. Never rejects. */
	readonly settled: Promise<void>;
}

/** Told about the pool's work, for metrics. */
export interface HashPoolObserver {
	/** Segments that wait for a worker now. */
	queued(segments: number): void;
	/** A task began; `waitMs`: how long its oldest request had waited. */
	started(segments: number, waitMs: number): void;
	/** A task ended; `runMs`: time of the native call. */
	ended(segments: number, runMs: number): void;
	/** A worker died; its tasks are tried once more on a new one. */
	workerLost(error: unknown): void;
}

export interface HashPoolOptions {
	readonly ring: SlabRing;
	/** Worker threads; by default one less than there are processors, at least one. */
	readonly workers?: number;
	readonly observer?: HashPoolObserver;
	/** Module that the workers run; tests put faults into it. */
	readonly workerModule?: URL;
}

/** A worker has its next task at hand when it ends one, also while the main thread is busy. */
const TASKS_PER_WORKER = 2;
const TASK_ATTEMPTS = 2;

interface Request {
	readonly inputs: readonly HashInput[];
	readonly sinceMs: number;
	readonly answer: (hashes: readonly SegmentHash[]) => void;
	readonly fail: (error: unknown) => void;
	readonly settle: () => void;
}

interface Task {
	readonly requests: readonly Request[];
	readonly segments: number;
	readonly region: number;
	attempts: number;
}

export class HashPool {
	readonly #pool: Piscina<number, string | undefined>;
	readonly #workers: number;
	readonly #regions: readonly HashRegion[];
	readonly #freeRegions: number[];
	readonly #observer: HashPoolObserver | undefined;
	readonly #waiting = new Set<Request>();
	readonly #running = new Set<Task>();
	#waitingSegments = 0;
	#dispatching = false;
	#broken: PerigeeError | undefined;
	#closing: Promise<void> | undefined;
	#destroyed: Promise<void> | undefined;
	#whenIdle: (() => void) | undefined;

	private constructor(options: HashPoolOptions) {
		const workers = options.workers ?? Math.max(1, availableParallelism() - 1);
		const regions = allocateRegions(workers * TASKS_PER_WORKER);
		this.#workers = workers;
		this.#regions = regionViews(regions);
		this.#freeRegions = this.#regions.map((_, index) => index);
		this.#observer = options.observer;
		this.#pool = new Piscina({
			filename: (options.workerModule ?? new URL('./hash-worker.js', import.meta.url)).href,
			name: 'hashTask',
			minThreads: workers,
			maxThreads: workers,
			concurrentTasksPerWorker: TASKS_PER_WORKER,
			maxQueue: workers * TASKS_PER_WORKER,
			workerData: { slabs: options.ring.bytes, regions } satisfies HashWorkerData,
		});
		this.#pool.on('error', (error: unknown) => this.#workerFailed(error));
	}

	/** Starts the workers. Errors: INTERNAL when they cannot run. */
	static async start(options: HashPoolOptions): Promise<HashPool> {
		const pool = new HashPool(options);
		try {
			await pool.#pool.run(packTask(0, 0));
		} catch (error) {
			await pool.#pool.destroy();
			throw new PerigeeError('INTERNAL', `the hashing workers do not start: ${asPerigeeError(error).message}`, {
				cause: error,
			});
		}
		return pool;
	}

	/** Segments that wait for a worker. */
	get waitingSegments(): number {
		return this.#waitingSegments;
	}

	/** Hashes up to 16 segments in one go. The slots' bytes must not change until `settled`. */
	hash(inputs: readonly HashInput[], signal?: AbortSignal): HashTicket {
		const refusal = this.#refusal(inputs, signal);
		if (refusal !== undefined) return refusedTicket(refusal);
		let request!: Request;
		let settle!: () => void;
		const settled = new Promise<void>((resolve) => {
			settle = resolve;
		});
		const hashes = new Promise<readonly SegmentHash[]>((answer, fail) => {
			request = { inputs, sinceMs: performance.now(), answer, fail, settle };
		});
		if (signal !== undefined) this.#cancelOnAbort(request, signal, settled);
		hashes.catch(() => undefined); // a caller that waits for `settled` alone has heard of the failure elsewhere
		this.#waiting.add(request);
		this.#changeWaiting(inputs.length);
		this.#dispatchSoon();
		return { hashes, settled };
	}

	/**
	 * Takes nothing more, lets what was taken end, and stops the workers. What has not ended after `deadlineMs` is refused with
	 * SHUTTING_DOWN; a native call that runs is waited for all the same.
	 */
	close(deadlineMs: number = LIMITS.hashDrainMs): Promise<void> {
		this.#closing ??= this.#drain(deadlineMs);
		return this.#closing;
	}

	#refusal(inputs: readonly HashInput[], signal: AbortSignal | undefined): Error | undefined {
		if (signal?.aborted) return signal.reason as Error;
		if (this.#closing !== undefined) return new PerigeeError('SHUTTING_DOWN');
		if (this.#broken !== undefined) return this.#broken;
		if (inputs.length === 0 || inputs.length > LIMITS.hashTaskSegments) {
			return new RangeError(`${inputs.length} segments in one request: 1 to ${LIMITS.hashTaskSegments}`);
		}
		const wrong = inputs.find(({ lengthBytes, leaves }) => {
			const lengthFits = Number.isInteger(lengthBytes) && lengthBytes >= 1 && lengthBytes <= SEGMENT_BYTES;
			const leavesFit = leaves >= Math.ceil(lengthBytes / SECTOR_BYTES) && leaves <= SEGMENT_SECTORS;
			return !lengthFits || !leavesFit || !Number.isInteger(leaves);
		});
		if (wrong !== undefined)
			return new RangeError(`${wrong.lengthBytes} bytes with ${wrong.leaves} leaves are no segment`);
		if (this.#waitingSegments + inputs.length > LIMITS.hashQueueSegments) return new PerigeeError('OVERLOADED');
		return undefined;
	}

	#cancelOnAbort(request: Request, signal: AbortSignal, settled: Promise<void>): void {
		const cancel = (): void => {
			request.fail(signal.reason);
			if (!this.#waiting.delete(request)) return; // it runs: its end settles it
			this.#changeWaiting(-request.inputs.length);
			request.settle();
			this.#checkIdle();
		};
		setMaxListeners(0, signal); // one signal serves all requests of an upload; their number is bounded here
		signal.addEventListener('abort', cancel, { once: true });
		void settled.then(() => signal.removeEventListener('abort', cancel));
	}

	/** Requests of the same turn go into the same tasks. */
	#dispatchSoon(): void {
		if (this.#dispatching) return;
		this.#dispatching = true;
		queueMicrotask(() => {
			this.#dispatching = false;
			while (this.#waiting.size > 0 && this.#freeRegions.length > 0) this.#begin(this.#gather());
		});
	}

	/** The oldest requests that fit into one task together; what waits is shared out among the workers. */
	#gather(): Task {
		const fairShare = Math.ceil(this.#waitingSegments / Math.min(this.#workers, this.#freeRegions.length));
		const requests: Request[] = [];
		let segments = 0;
		for (const request of this.#waiting) {
			const after = segments + request.inputs.length;
			if (segments > 0 && after > Math.min(LIMITS.hashTaskSegments, fairShare)) break;
			requests.push(request);
			segments = after;
		}
		for (const request of requests) this.#waiting.delete(request);
		this.#changeWaiting(-segments);
		return { requests, segments, region: this.#freeRegions.pop() as number, attempts: 0 };
	}

	#begin(task: Task): void {
		const { slots, lengths, leaves } = this.#regions[task.region] as HashRegion;
		let at = 0;
		for (const { inputs } of task.requests) {
			for (const input of inputs) {
				slots[at] = input.slot.index;
				lengths[at] = input.lengthBytes;
				leaves[at] = input.leaves;
				at += 1;
			}
		}
		this.#running.add(task);
		const oldestMs = (task.requests[0] as Request).sinceMs;
		this.#observer?.started(task.segments, performance.now() - oldestMs);
		this.#run(task);
	}

	#run(task: Task): void {
		task.attempts += 1;
		this.#pool.run(packTask(task.region, task.segments)).then(
			(refusal) => this.#finish(task, refusal === undefined ? undefined : new PerigeeError('INTERNAL', refusal)),
			(error: unknown) => this.#lost(task, error),
		);
	}

	#lost(task: Task, error: unknown): void {
		if (this.#destroyed !== undefined) {
			for (const request of task.requests) request.fail(new PerigeeError('SHUTTING_DOWN'));
			return; // settled once the thread has ended
		}
		this.#observer?.workerLost(error);
		if (task.attempts < TASK_ATTEMPTS && this.#broken === undefined) this.#run(task);
		else this.#finish(task, workerError(error));
	}

	#finish(task: Task, error: PerigeeError | undefined): void {
		if (!this.#running.delete(task)) return;
		const region = this.#regions[task.region] as HashRegion;
		let at = 0;
		for (const { inputs, answer, fail, settle } of task.requests) {
			if (error === undefined) answer(inputs.map((input, index) => hashAt(region, at + index, input.lengthBytes)));
			else fail(error);
			settle();
			at += inputs.length;
		}
		this.#observer?.ended(task.segments, (region.runMicros[0] ?? 0) / 1000);
		this.#freeRegions.push(task.region);
		this.#checkIdle();
		if (this.#waiting.size > 0) this.#dispatchSoon();
	}

	/** Piscina reports a worker that failed without a task; one that failed while starting is not replaced. */
	#workerFailed(error: unknown): void {
		this.#observer?.workerLost(error);
		if (this.#pool.threads.length > 0) return;
		this.#broken = workerError(error);
		this.#refuseWaiting(this.#broken);
		for (const task of this.#running) this.#finish(task, this.#broken);
	}

	#refuseWaiting(error: PerigeeError): void {
		for (const request of this.#waiting) {
			request.fail(error);
			request.settle();
		}
		this.#waiting.clear();
		this.#changeWaiting(-this.#waitingSegments);
	}

	async #drain(deadlineMs: number): Promise<void> {
		let timer: NodeJS.Timeout | undefined;
		await new Promise<void>((resolve) => {
			this.#whenIdle = resolve;
			timer = setTimeout(resolve, deadlineMs);
			this.#checkIdle();
		});
		clearTimeout(timer);
		this.#refuseWaiting(new PerigeeError('SHUTTING_DOWN'));
		this.#destroyed = this.#pool.destroy();
		await this.#destroyed;
		for (const task of this.#running) this.#finish(task, new PerigeeError('SHUTTING_DOWN'));
	}

	#checkIdle(): void {
		if (this.#waiting.size === 0 && this.#running.size === 0) this.#whenIdle?.();
	}

	#changeWaiting(by: number): void {
		this.#waitingSegments += by;
		this.#observer?.queued(this.#waitingSegments);
	}
}

function hashAt(region: HashRegion, index: number, lengthBytes: number): SegmentHash {
	const blocks = Math.ceil(lengthBytes / (SEGMENT_BYTES / SEGMENT_BLOCKS));
	const first = index * SEGMENT_BLOCKS;
	// Little-endian as they stand: every platform that the addon is built for is.
	const blockCrcs = new Uint8Array(region.crcs.slice(first, first + blocks).buffer);
	return { root: region.roots.slice(index * HASH_BYTES, (index + 1) * HASH_BYTES), blockCrcs };
}

function workerError(error: unknown): PerigeeError {
	return new PerigeeError('INTERNAL', 'a hashing worker died, twice with the same task', { cause: error });
}

function refusedTicket(refusal: Error): HashTicket {
	const hashes = Promise.reject<readonly SegmentHash[]>(refusal);
	hashes.catch(() => undefined);
	return { hashes, settled: Promise.resolve() };
}
