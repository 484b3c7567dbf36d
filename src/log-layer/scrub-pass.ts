/** One pass of the scrub from wherever it stands: the view, the log files, then again what was found lost or could not be read. */
import type { AppendLog } from '../append-log/append-log.js';
import { LANE_NAMES, type LogFileName } from '../append-log/types.js';
import { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import type { DamageList } from './damage.js';
import type { Pacer } from './pacer.js';
import { checkSegments, type SegmentCheckParts, type StoredSegment } from './segment-check.js';
import { placeInUse, scrubLogFile } from './scrub-log.js';
import type { ScrubPosition } from './scrub-state.js';
import { scrubLost, scrubView, type ScrubViewParts } from './scrub-view.js';
import type { View } from './view.js';

/** Where the pass stands; whoever keeps it may stop the pass and begin another one from there. */
export interface ScrubProgress {
	position(): ScrubPosition;
	moved(position: ScrubPosition): void;
	counted(bytes: number, segments: number): void;
	/** A damaged place, known or not. */
	met(): void;
	/** Bytes of all log files, and of those that lie behind the pass. */
	files(totalBytes: number, doneBytes: number): void;
}

export interface ScrubPassParts extends SegmentCheckParts {
	readonly log: AppendLog;
	readonly view: View;
	readonly damage: DamageList;
	readonly pacer: Pacer;
	readonly signal: AbortSignal;
	readonly progress: ScrubProgress;
	readonly flow: ScrubViewParts['flow'];
	readonly sealedDamaged: (index: bigint) => void;
}

/** A log file that the disk cannot read is tried so often before the pass goes on behind it. */
const READ_ATTEMPTS = 2;

/** Errors: the signal's reason, DATA_DAMAGED when the view is damaged, OVERLOADED. */
export async function runScrubPass(parts: ScrubPassParts): Promise<void> {
	const pass = new ScrubPass(parts);
	await pass.run();
}

class ScrubPass {
	readonly #parts: ScrubPassParts;
	/** Segments that the disk could not read. */
	readonly #retries: StoredSegment[] = [];

	constructor(parts: ScrubPassParts) {
		this.#parts = parts;
	}

	async run(): Promise<void> {
		const { progress } = this.#parts;
		let position = progress.position();
		if (position.phase === 'view') {
			await scrubView(this.#overRows('view'), position);
			progress.moved({ phase: 'log', lane: LANE_NAMES[0] ?? 'small', fileNo: 0, offset: 0 });
		}
		position = progress.position();
		if (position.phase === 'log') {
			await this.#logFiles();
			progress.moved({ phase: 'lost', txSeq: 0, segment: 0 });
		}
		position = progress.position();
		if (position.phase === 'lost') await scrubLost(this.#overRows('lost'), position);
		await this.#retry();
		this.#parts.signal.throwIfAborted();
	}

	#overRows(phase: 'view' | 'lost'): ScrubViewParts {
		const { progress } = this.#parts;
		return { ...this.#parts, checked: (at) => progress.moved({ phase, ...at }), met: () => progress.met() };
	}

	/** Goes through the log files, those included that are begun meanwhile. */
	async #logFiles(): Promise<void> {
		const { log, progress } = this.#parts;
		let totalBytes = 0;
		let doneBytes = 0;
		for (const name of log.listFiles()) {
			const bytes = (await log.fileBytes(name)) ?? 0;
			totalBytes += bytes;
			if (this.#isBehind(name)) doneBytes += bytes;
		}
		for (let name = this.#nextFile(); name; name = this.#nextFile()) {
			progress.files(totalBytes, doneBytes);
			await this.#logFile(name);
			doneBytes += (await log.fileBytes(name)) ?? 0;
			progress.moved({ phase: 'log', lane: name.lane, fileNo: name.fileNo + 1, offset: 0 });
		}
	}

	/** What the disk cannot read of the file even at the second try is a stretch of damage. */
	async #logFile(name: LogFileName): Promise<void> {
		const { log, damage, progress, signal } = this.#parts;
		const stoodAt = (): number => {
			const at = progress.position();
			return at.phase === 'log' && at.lane === name.lane && at.fileNo === name.fileNo ? at.offset : 0;
		};
		const parts = {
			...this.#parts,
			checked: (offset: number, bytes: number, segments: number): void => {
				progress.counted(bytes, segments);
				progress.moved({ phase: 'log', ...name, offset });
			},
			met: () => progress.met(),
			readFailed: (segment: StoredSegment): void => {
				if (this.#retries.length < LIMITS.scrubRetries) this.#retries.push(segment);
			},
		};
		for (let attempt = 1; attempt <= READ_ATTEMPTS; attempt++) {
			try {
				await log.checkFile(name, (file) => scrubLogFile(parts, name, file, stoodAt()));
				return;
			} catch (error) {
				if (signal.aborted || error instanceof PerigeeError) throw error;
			}
		}
		const to = (await log.fileBytes(name)) ?? 0;
		progress.met();
		damage.addStretch({ ...name, from: stoodAt(), to, reason: 'unreadable', foundBy: 'scrub' });
	}

	/** Asks the disk once more for what it could not read. */
	async #retry(): Promise<void> {
		const { log, damage, view, progress, signal } = this.#parts;
		for (const segment of this.#retries) {
			const verdict = await log.checkFile(segment.place, async (file) => {
				const [only] = await checkSegments(this.#parts, file, [segment], signal);
				return only;
			});
			const place = verdict && verdict !== 'right' ? await placeInUse(view, segment) : undefined;
			if (!place || !verdict || verdict === 'right') continue;
			progress.met();
			if (verdict === 'readFailed') damage.readFailed(place, 'scrub', true);
			else damage.add({ ...place, reason: verdict, foundBy: 'scrub' });
		}
	}

	#nextFile(): LogFileName | undefined {
		return this.#parts.log.listFiles().find((name) => !this.#isBehind(name));
	}

	#isBehind({ lane, fileNo }: LogFileName): boolean {
		const position = this.#parts.progress.position();
		if (position.phase !== 'log') return position.phase === 'lost';
		const order = LANE_NAMES.indexOf(lane) - LANE_NAMES.indexOf(position.lane);
		return order < 0 || (order === 0 && fileNo < position.fileNo);
	}
}
