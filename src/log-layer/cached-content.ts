/** Whole content that came by segments and that no submission names: given up when its time is over, unless one names it by then (chunk-pool.ts). */
import type { AppendLog } from '../append-log/append-log.js';
import type { Clock } from '../io/clock.js';
import { LIMITS } from '../limits.js';
import type { DataRoot } from '../units.js';
import { spent } from './file-deletion.js';
import type { HeldContent } from './held-content.js';
import type { RootLocks } from './key-locks.js';
import { laneOf } from './records.js';

export interface CachedContentParts {
	readonly log: AppendLog;
	readonly locks: RootLocks;
	readonly clock: Clock;
	readonly held: HeldContent;
	/** False while part of the log cannot be read: then nothing is given up. */
	readonly isComplete: () => boolean;
	/** A submission of the content is waited for. */
	readonly isAwaited: (root: DataRoot) => boolean;
	/** A submission names content that is here whole. Errors: those of the log and the view. */
	readonly submitted: (root: DataRoot) => Promise<void>;
}

interface Entry {
	readonly bytes: number;
	readonly untilMs: number;
}

export class CachedContent {
	readonly #parts: CachedContentParts;
	readonly #entries = new Map<DataRoot, Entry>();
	#bytes = 0;

	constructor(parts: CachedContentParts) {
		this.#parts = parts;
	}

	get files(): number {
		return this.#entries.size;
	}

	get bytes(): number {
		return this.#bytes;
	}

	has(root: DataRoot): boolean {
		return this.#entries.has(root);
	}

	/** It has come, or has come again. */
	add(root: DataRoot, bytes: number): void {
		const untilMs = this.#parts.clock.nowMs() + LIMITS.cachedSegmentsMs;
		this.#set(root, { bytes, untilMs: Math.max(untilMs, this.#entries.get(root)?.untilMs ?? 0) });
	}

	/** Of an earlier run: it counts, but others may rely on it, so that its end is the business of expiry.ts. */
	found(root: DataRoot, bytes: number): void {
		this.#set(root, { bytes, untilMs: Infinity });
	}

	/** Others rely on the content from now on. */
	adopt(root: DataRoot): void {
		this.#delete(root);
	}

	/** Errors: those of the log and the view; what is left is due the next time. */
	async sweep(): Promise<void> {
		const { held, clock, isComplete, submitted } = this.#parts;
		for (const [root, { untilMs }] of this.#entries) {
			const { object, submissions } = (await held.rootRow(root)) ?? {};
			if (submissions) {
				await submitted(root);
				this.#delete(root);
			} else if (!object) this.#delete(root);
			else if (isComplete() && clock.nowMs() >= untilMs) await this.#giveUp(root);
		}
	}

	/** Unless somebody has submitted it by now, or it has come another way as well, by which it is named. */
	async #giveUp(root: DataRoot): Promise<void> {
		const { locks, log, held, isAwaited } = this.#parts;
		await locks.run(root, async () => {
			if (!this.#delete(root)) return;
			const { object, submissions, newest } = (await held.rootRow(root)) ?? {};
			if (object && !submissions && !newest && !isAwaited(root))
				await log.write(laneOf(object.sizeBytes), [spent(object, root)]).applied;
		});
	}

	#set(root: DataRoot, entry: Entry): void {
		this.#delete(root);
		this.#entries.set(root, entry);
		this.#bytes += entry.bytes;
	}

	#delete(root: DataRoot): boolean {
		this.#bytes -= this.#entries.get(root)?.bytes ?? 0;
		return this.#entries.delete(root);
	}
}
