/**
 * Seals what is held of the flow: in its order, in batches, with rests, and again where what was sealed is not what it should be (docs/architecture.md §5).
 *
 * Promises: nothing but sealed copies is written, and never over the plain records, so a crash at any point costs work alone. What a start finds is looked
 * at anew: who has sealed it, for which contexts, and from what.
 */
import type { Shard } from '../config/shard-position.js';
import { asPerigeeError } from '../errors.js';
import type { Clock } from '../io/clock.js';
import { LIMITS } from '../limits.js';
import type { Pacer } from '../log-layer/pacer.js';
import type { FlowSegmentRange } from '../log-layer/root-ranges.js';
import type { SealContext } from '../log-layer/sealed-records.js';
import type { NewSealed, PlainSegment, SealedCopy, SealedSegments } from '../log-layer/sealed-segments.js';
import type { MiningPool } from '../native/mining-pool.js';
import { HASH_BYTES, SEGMENT_BLOCKS, SEGMENT_BYTES, SEGMENT_SECTORS } from '../units.js';
import { countBits, type SealMap } from './seal-map.js';
import type { SealOwners } from './seal-owners.js';

export interface SealerParts {
	readonly sealed: SealedSegments;
	readonly map: SealMap;
	readonly owners: SealOwners;
	readonly pool: MiningPool;
	readonly clock: Clock;
	readonly pacer: Pacer;
	readonly shard: Shard;
	/** 32 bytes. */
	readonly minerId: Uint8Array;
	/** Whether flow segments without any file are sealed. */
	readonly sealsZeros: boolean;
	/** Shared memory for a batch: LIMITS.sealBatchSegments flow segments. */
	readonly slab: Uint8Array;
	readonly observer: SealerObserver;
}

export interface SealerObserver {
	/** So many seals are durable. */
	sealed(segments: number, seals: number): void;
	/** Copies were made anew, or given up, because they did not fit any more. */
	outdated(segments: number): void;
	/** It does not go on for now; undefined: it does. */
	trouble(message: string | undefined): void;
}

/** What a flow segment needs. */
interface Wanted {
	readonly plain: PlainSegment;
	readonly seals: bigint;
	readonly contexts: readonly SealContext[];
	/** Of each seal. */
	readonly digests: Uint8Array;
}

const SECTORS = BigInt(SEGMENT_SECTORS);
const SEAL_SECTORS = SECTORS / BigInt(SEGMENT_BLOCKS);

export class Sealer {
	readonly #parts: SealerParts;
	/** Flow segments before it have been looked at. */
	#cursor = 0n;
	/** Flow segments before it may be sealed. */
	#end = 0n;
	/** To be looked at again. */
	#dirty: FlowSegmentRange[] = [];
	/** Looked at just now. */
	#working: FlowSegmentRange = { first: 0n, end: 0n };
	#wake: () => void = () => undefined;
	#cancelTimer: () => void = () => undefined;

	constructor(parts: SealerParts) {
		this.#parts = parts;
	}

	/** Flow segments of this shard that are still to be looked at. */
	get backlog(): number {
		const ranges = [...this.#dirty, this.#working, { first: this.#cursor, end: this.#end }];
		const open = ranges.reduce((sum, { first, end }) => sum + (end - first), 0n);
		return Number(open) / this.#parts.shard.count;
	}

	/** The flow up to this sector has owners. */
	reach(sector: bigint): void {
		const end = sector / SECTORS;
		if (end === this.#end) return;
		this.#end = end;
		if (this.#cursor > end) this.#cursor = end;
		this.#wake();
	}

	/** What these flow segments hold, or what they are to be sealed for, has changed. */
	look({ first, end }: FlowSegmentRange): void {
		if (first >= this.#cursor) return;
		this.#dirty.push({ first, end: end < this.#cursor ? end : this.#cursor });
		// Beyond the bound the rest of the flow is looked at as a whole.
		if (this.#dirty.length > LIMITS.sealDirtyRanges) this.lookAtAll();
		this.#wake();
	}

	lookAtAll(): void {
		this.#dirty = [];
		this.#cursor = 0n;
		this.#wake();
	}

	/** Puts the copies that are there into the map, then seals until the signal. Never rejects but with the signal's reason. */
	async run(signal: AbortSignal): Promise<void> {
		// Before that nobody knows what there may be.
		while (this.#end === 0n) {
			await this.#sleep(signal, LIMITS.sealIdleMs);
			signal.throwIfAborted();
		}
		await this.#untilDone(signal, () => this.#load());
		for (;;) {
			const range = this.#next();
			if (range) {
				this.#working = range;
				await this.#untilDone(signal, () => this.#seal(range));
				this.#working = { first: 0n, end: 0n };
			} else await this.#sleep(signal, LIMITS.sealIdleMs);
			signal.throwIfAborted();
		}
	}

	/** Tries until it works. */
	async #untilDone(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
		for (;;) {
			signal.throwIfAborted();
			try {
				this.#parts.pacer.begin();
				await work();
				this.#parts.observer.trouble(undefined);
				return;
			} catch (error) {
				signal.throwIfAborted();
				this.#parts.observer.trouble(asPerigeeError(error).message);
				await this.#sleep(signal, LIMITS.sealRetryMs);
			}
		}
	}

	async #load(): Promise<void> {
		const { sealed, map, pacer } = this.#parts;
		for (let from = 0n; from < this.#end; ) {
			const indices = this.#own({ first: from, end: this.#end }, LIMITS.sealLookSegments);
			if (indices.length === 0) return;
			await map.learn(indices, await sealed.find(indices));
			from = (indices.at(-1) ?? from) + 1n;
			await pacer.breathe();
		}
	}

	/** The next batch: what has changed comes first. */
	#next(): FlowSegmentRange | undefined {
		const step = BigInt(LIMITS.sealBatchSegments * this.#parts.shard.count);
		const [dirty, ...others] = this.#dirty;
		if (dirty) {
			const end = dirty.first + step;
			this.#dirty = end < dirty.end ? [{ first: end, end: dirty.end }, ...others] : others;
			return { first: dirty.first, end: end < dirty.end ? end : dirty.end };
		}
		if (this.#cursor >= this.#end) return undefined;
		const first = this.#cursor;
		const end = first + step < this.#end ? first + step : this.#end;
		this.#cursor = end;
		return { first, end };
	}

	/** Flow segments of this shard in a range, at most so many. */
	#own({ first, end }: FlowSegmentRange, most: number): bigint[] {
		const { id, count } = this.#parts.shard;
		const step = BigInt(count);
		const offset = (((BigInt(id) - first) % step) + step) % step;
		const own: bigint[] = [];
		for (let index = first + offset; index < end && own.length < most; index += step) own.push(index);
		return own;
	}

	async #seal(range: FlowSegmentRange): Promise<void> {
		const { sealed, map, pacer, observer } = this.#parts;
		const indices = this.#own(range, LIMITS.sealBatchSegments);
		const copies = await sealed.find(indices);
		const wanted: Wanted[] = [];
		let outdated = 0;
		for (const [at, index] of indices.entries()) {
			const copy = copies[at];
			const want = await this.#wantedOf(index);
			if (copy && want && this.#isRight(copy, want)) {
				await map.learn([index], [copy]);
				continue;
			}
			map.forget(index);
			if (copy) outdated++;
			if (want && want.seals !== 0n) wanted.push(want);
			else if (copy) await sealed.drop(index);
		}
		if (outdated > 0) observer.outdated(outdated);
		for (const run of runsOf(wanted)) await this.#sealRun(run);
		await pacer.breathe();
	}

	/** Undefined: no context owns all of it any more. */
	async #wantedOf(index: bigint): Promise<Wanted | undefined> {
		const { sealed, owners, sealsZeros } = this.#parts;
		const plain = await sealed.plain(index);
		const contexts: SealContext[] = [];
		const digests = Buffer.alloc(SEGMENT_BLOCKS * HASH_BYTES);
		for (let seal = 0; seal < SEGMENT_BLOCKS; seal++) {
			const owner = await owners.of(index * SECTORS + BigInt(seal + 1) * SEAL_SECTORS - 1n);
			if (!owner) return undefined;
			digests.set(owner.digest, seal * HASH_BYTES);
			if (contexts.at(-1)?.endSector !== owner.end) contexts.push({ digest: owner.digest, endSector: owner.end });
		}
		return { plain, seals: plain.isEmpty && !sealsZeros ? 0n : plain.seals, contexts, digests };
	}

	#isRight(copy: SealedCopy, { plain, seals, contexts }: Wanted): boolean {
		return (
			copy.seals === seals &&
			seals !== 0n &&
			Buffer.compare(copy.minerId, this.#parts.minerId) === 0 &&
			Buffer.compare(copy.content, plain.content) === 0 &&
			copy.contexts.length === contexts.length &&
			copy.contexts.every(
				({ digest, endSector }, at) =>
					contexts[at]?.endSector === endSector && Buffer.compare(contexts[at].digest, digest) === 0,
			)
		);
	}

	/** Seals flow segments that follow each other with one native call, and writes them with one commit. */
	async #sealRun(run: readonly Wanted[]): Promise<void> {
		const { sealed, map, pool, slab, minerId, observer } = this.#parts;
		const [first] = run;
		if (!first) return;
		const bytes = slab.subarray(0, run.length * SEGMENT_BYTES);
		for (const [at, { plain }] of run.entries())
			await plain.fill(Buffer.from(slab.buffer, slab.byteOffset + at * SEGMENT_BYTES, SEGMENT_BYTES));
		const crcs = await pool.seal({
			bytes,
			seals: run.map(({ seals }) => seals),
			minerId,
			digests: Buffer.concat(run.map(({ digests }) => digests)),
			firstSector: first.plain.index * SECTORS,
		});
		const crcBytes = crcs.length / run.length;
		const copies = run.map(
			({ plain, seals, contexts }, at): NewSealed => ({
				plain,
				minerId,
				seals,
				contexts,
				bytes: bytes.subarray(at * SEGMENT_BYTES, (at + 1) * SEGMENT_BYTES),
				blockCrcs: crcs.subarray(at * crcBytes, (at + 1) * crcBytes),
			}),
		);
		await sealed.write(copies);
		const indices = run.map(({ plain }) => plain.index);
		const written = await sealed.find(indices);
		await map.learn(indices, written);
		observer.sealed(
			run.length,
			run.reduce((sum, { seals }) => sum + countBits(seals), 0),
		);
	}

	async #sleep(signal: AbortSignal, ms: number): Promise<void> {
		signal.throwIfAborted();
		await new Promise<void>((resolve) => {
			const wake = (): void => {
				this.#cancelTimer();
				signal.removeEventListener('abort', wake);
				resolve();
			};
			this.#wake = wake;
			this.#cancelTimer = this.#parts.clock.schedule(ms, wake);
			signal.addEventListener('abort', wake, { once: true });
		});
	}
}

/** Groups what follows each other in the flow. */
function runsOf(wanted: readonly Wanted[]): Wanted[][] {
	const runs: Wanted[][] = [];
	for (const want of wanted) {
		const run = runs.at(-1);
		if (run?.at(-1)?.plain.index === want.plain.index - 1n) run.push(want);
		else runs.push([want]);
	}
	return runs;
}
