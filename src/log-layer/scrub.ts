/**
 * The scrub: reads everything that the store holds against its checksums and Merkle roots, now and then and at a bounded rate, and puts what
 * is damaged into the list of damage, so that it can be healed while there is somebody who can send it again.
 *
 * A pass goes through the view, then through the log files, then again to what was found lost or could not be read. Its position outlives a
 * restart; a crash costs the way of the last minute. It changes no stored data.
 */
import type { AppendLog } from '../append-log/append-log.js';
import { PerigeeError } from '../errors.js';
import type { Clock } from '../io/clock.js';
import type { Randomness } from '../io/randomness.js';
import type { StorageIo } from '../io/storage-io.js';
import { LIMITS } from '../limits.js';
import type { HashPool } from '../native/hash-pool.js';
import type { SlabRing } from '../native/slab-ring.js';
import type { FlowId } from '../units.js';
import type { CheckedObjects } from './checked-objects.js';
import type { DamageList } from './damage.js';
import { Pacer } from './pacer.js';
import type { ObjectId } from './records.js';
import { runScrubPass, type ScrubProgress } from './scrub-pass.js';
import { readScrubState, writeScrubState, type ScrubPass, type ScrubPosition, type ScrubState } from './scrub-state.js';
import type { ScrubControl, ScrubStatus } from './types.js';
import type { View } from './view.js';

export interface ScrubSettings {
	/** After work that took t the scrub rests this many times t. */
	readonly tranquility: number;
	/** Days from the end of a pass to the next one, give or take a sixth; 0: passes begin only when asked for. */
	readonly intervalDays: number;
}

export const SCRUB_DEFAULTS: ScrubSettings = { tranquility: 4, intervalDays: 30 };

export interface ScrubObserver {
	/** Read and found right or wrong since the last call. */
	checked(bytes: number, segments: number): void;
	began(): void;
	ended(status: ScrubStatus): void;
	/** The pass stands still and goes on a minute later. */
	failed(error: unknown): void;
	/** Its state could not be written; it is tried again. */
	notSaved(error: unknown): void;
}

export interface ScrubParts {
	readonly settings: ScrubSettings;
	readonly observer: ScrubObserver;
	readonly io: StorageIo;
	readonly clock: Clock;
	readonly randomness: Randomness;
	readonly dataDir: string;
	/** Hexadecimal. */
	readonly storeId: string;
	readonly log: AppendLog;
	readonly view: View;
	readonly ring: SlabRing;
	readonly pool: HashPool;
	readonly damage: DamageList;
	readonly checked: CheckedObjects;
	/** The submissions there are. */
	readonly flow: () => { readonly flowId: FlowId; readonly submissions: number };
	/** Every object with a lower id is complete, or never will be. */
	readonly completeBelow: () => ObjectId;
	/** The sealed copy of a flow segment is not as it was written. */
	readonly sealedDamaged: (index: bigint) => void;
}

const DAY_MS = 86_400_000;
const FIRST_POSITION: ScrubPosition = { phase: 'view', txSeq: 0, segment: 0 };

export class Scrub implements ScrubControl {
	readonly #parts: ScrubParts;
	#state: ScrubState;
	#stop = new AbortController();
	#running: Promise<void> | undefined;
	#isClosed = false;
	#savedMs: number;
	#saving: Promise<void> | undefined;
	#cancelTimer: () => void = () => undefined;
	/** Bytes of all log files, and of those that lie behind the pass. */
	#totalBytes = 0;
	#doneBytes = 0;

	private constructor(parts: ScrubParts, state: ScrubState) {
		this.#parts = parts;
		this.#state = state;
		this.#savedMs = parts.clock.monotonicMs();
		if (state.last) parts.checked.scrubbed(BigInt(state.last.objectsBelow));
	}

	/** Takes up where the last run stopped. */
	static async open(parts: ScrubParts): Promise<Scrub> {
		const { io, dataDir, storeId, observer } = parts;
		const saved = await readScrubState(io, dataDir, storeId).catch((error: unknown) => {
			observer.notSaved(error);
			return undefined;
		});
		const scrub = new Scrub(parts, saved ?? { isPaused: false, nextMs: nextPassMs(parts) });
		// Without it every restart would put the first pass off.
		if (!saved) await scrub.#save();
		scrub.#look();
		return scrub;
	}

	/** Begins a pass, or goes on with one that was paused. Nothing happens while one runs. */
	start(): ScrubStatus {
		if (this.#isClosed) throw new PerigeeError('SHUTTING_DOWN');
		if (!this.#running || this.#state.isPaused) {
			this.#state = { ...this.#state, isPaused: false, pass: this.#state.pass ?? this.#newPass() };
			void this.#save();
			if (!this.#running) this.#run();
		}
		return this.status();
	}

	/** Stops the pass where it stands; passes no longer begin by themselves until `start`. */
	pause(): ScrubStatus {
		this.#state = { ...this.#state, isPaused: true };
		this.#stop.abort(new ScrubStopped());
		void this.#save();
		return this.status();
	}

	status(): ScrubStatus {
		const { isPaused, nextMs, pass, last } = this.#state;
		const { damage, settings } = this.#parts;
		const isRunning = this.#running !== undefined && !this.#stop.signal.aborted;
		return {
			state: isRunning ? 'running' : isPaused ? 'paused' : pass ? 'waiting' : 'idle',
			...(pass ? { pass: { ...pass, progress: this.#share(pass.position) } } : {}),
			...(last ? { last } : {}),
			...(isPaused || settings.intervalDays === 0 ? {} : { nextMs }),
			damagedSegments: damage.count,
			damagedStretches: damage.stretches.length,
		};
	}

	/** Resolves when no pass runs any more. */
	async idle(): Promise<void> {
		await this.#running;
	}

	async close(): Promise<void> {
		this.#isClosed = true;
		this.#cancelTimer();
		this.#stop.abort(new ScrubStopped());
		await this.#running;
		await this.#saving;
		if (this.#state.pass) await this.#save();
	}

	/** Begins what is due, and looks again later: timers of several weeks do not exist. */
	#look(): void {
		const { clock, settings } = this.#parts;
		if (this.#isClosed) return;
		// The clock was wrong when it was set, or the interval is shorter now.
		if (this.#state.nextMs > clock.nowMs() + 2 * settings.intervalDays * DAY_MS)
			this.#state = { ...this.#state, nextMs: nextPassMs(this.#parts) };
		const { isPaused, pass, nextMs } = this.#state;
		const isDue = pass !== undefined || (settings.intervalDays > 0 && clock.nowMs() >= nextMs);
		if (!isPaused && isDue) this.start();
		this.#cancelTimer();
		this.#cancelTimer = clock.schedule(LIMITS.scrubLookMs, () => this.#look());
	}

	#newPass(): ScrubPass {
		const { clock, completeBelow, damage } = this.#parts;
		this.#parts.observer.began();
		return {
			startedMs: clock.nowMs(),
			objectsBelow: String(completeBelow()),
			overflows: damage.overflows,
			position: FIRST_POSITION,
			segments: 0,
			bytes: 0,
			damaged: 0,
		};
	}

	#run(): void {
		const before = this.#stop;
		this.#stop = new AbortController();
		const { signal } = this.#stop;
		before.abort(new ScrubStopped());
		this.#running = this.#pass(signal)
			.catch((error: unknown) => {
				if (!signal.aborted) this.#failed(error);
			})
			.finally(() => {
				this.#running = undefined;
				// It was started again while it was coming to its end.
				if (this.#state.pass && !this.#state.isPaused && signal.aborted && !this.#isClosed) this.#run();
			});
	}

	#failed(error: unknown): void {
		if (error instanceof PerigeeError && error.code === 'SHUTTING_DOWN') return;
		this.#parts.observer.failed(error);
		this.#cancelTimer();
		this.#cancelTimer = this.#parts.clock.schedule(LIMITS.scrubRetryMs, () => this.#look());
	}

	async #pass(signal: AbortSignal): Promise<void> {
		const { clock, settings, damage } = this.#parts;
		const pacer = new Pacer(clock, () => settings.tranquility, signal);
		await runScrubPass({ ...this.#parts, pacer, signal, progress: this.#progress() });
		damage.overflowsSettled(this.#state.pass?.overflows ?? 0);
		await this.#finish();
	}

	#progress(): ScrubProgress {
		return {
			position: () => this.#state.pass?.position ?? FIRST_POSITION,
			moved: (position) => {
				this.#changePass((pass) => ({ ...pass, position }));
				if (this.#parts.clock.monotonicMs() - this.#savedMs >= LIMITS.scrubSaveMs) void this.#save();
			},
			counted: (bytes, segments) => {
				this.#parts.observer.checked(bytes, segments);
				this.#changePass((pass) => ({ ...pass, bytes: pass.bytes + bytes, segments: pass.segments + segments }));
			},
			met: () => this.#changePass((pass) => ({ ...pass, damaged: pass.damaged + 1 })),
			files: (totalBytes, doneBytes) => {
				this.#totalBytes = totalBytes;
				this.#doneBytes = doneBytes;
			},
		};
	}

	async #finish(): Promise<void> {
		const { clock, checked, observer } = this.#parts;
		const { pass } = this.#state;
		if (!pass) return;
		const { startedMs, objectsBelow, segments, bytes, damaged } = pass;
		const last = { startedMs, endedMs: clock.nowMs(), objectsBelow, segments, bytes, damaged };
		this.#state = { isPaused: false, nextMs: nextPassMs(this.#parts), last };
		checked.scrubbed(BigInt(objectsBelow));
		await this.#save();
		observer.ended(this.status());
	}

	#share(position: ScrubPosition): number {
		if (position.phase !== 'log') return position.phase === 'lost' ? 1 : 0;
		return this.#totalBytes === 0 ? 0 : Math.min(1, (this.#doneBytes + position.offset) / this.#totalBytes);
	}

	#changePass(change: (pass: ScrubPass) => ScrubPass): void {
		const { pass } = this.#state;
		if (pass) this.#state = { ...this.#state, pass: change(pass) };
	}

	/** Writes the state down; calls while one is written share the next one. */
	#save(): Promise<void> {
		const { io, clock, dataDir, storeId, observer } = this.#parts;
		const before = this.#saving ?? Promise.resolve();
		this.#savedMs = clock.monotonicMs();
		const saving = before.then(async () => {
			try {
				await writeScrubState(io, dataDir, storeId, this.#state);
			} catch (error) {
				observer.notSaved(error);
			}
		});
		this.#saving = saving;
		return saving;
	}
}

class ScrubStopped extends Error {}

/** Between five sixths and seven sixths of the interval from now, so that the nodes of one operator do not all scrub at once. */
function nextPassMs({ clock, randomness, settings }: ScrubParts): number {
	const share = Buffer.from(randomness.bytes(4)).readUInt32LE(0) / 2 ** 32;
	return clock.nowMs() + settings.intervalDays * DAY_MS * (5 / 6 + share / 3);
}
