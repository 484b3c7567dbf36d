/**
 * When a file that is being uploaded becomes content of its root, and with which segments. Several submissions of a root may each give the shard a
 * part of it: a part counts as soon as it is here, and takes over what an earlier object holds of the other parts. Such parts are single segments:
 * a submission lies at a multiple of its largest node, so that only where there are more shards than segments its place changes anything.
 */
import { PerigeeError } from '../errors.js';
import { bytesOfHex, type DataRoot } from '../units.js';
import type { CachedContent } from './cached-content.js';
import type { ChunkPoolParts } from './chunk-pool-parts.js';
import { OvertakenError } from './content-binding.js';
import type { DurableSegments } from './durable-segments.js';
import { givenUp } from './file-deletion.js';
import type { HeldContent } from './held-content.js';
import type { PartialFile } from './partial-file.js';
import type { PartialFiles } from './partial-files.js';
import { resumableFact } from './resumable-records.js';
import type { RootObject } from './rows.js';
import { segmentCopies } from './segment-copies.js';
import type { SegmentStoring } from './segment-storing.js';
import { keptCount, unlessAll, type KeptSegments } from './shard.js';

/** What is copied inside the store counts as submitted: nothing else is copied. */
const COPIED = { isSubmitted: true, skipRepeated: true };

export interface PartialClosingParts extends ChunkPoolParts {
	readonly files: PartialFiles;
	readonly storing: SegmentStoring;
	readonly cached: CachedContent;
	/** Content is here whole that was submitted: only what the shard owns of it stays. */
	readonly narrow: (root: DataRoot) => Promise<void>;
}

export class PartialClosing {
	readonly #parts: PartialClosingParts;

	constructor(parts: PartialClosingParts) {
		this.#parts = parts;
	}

	/** What is complete of the file becomes content of its root. Errors: those of the log and the view; UPLOAD_NOT_FOUND. */
	async complete(file: PartialFile): Promise<void> {
		const { files } = this.#parts;
		while (files.has(file.objectId)) {
			const closing = await this.#closingOf(file);
			// Of a part: what somebody is sending now is to be in it too.
			if (!closing || (closing.isPart && file.puts > 0)) return;
			// Somebody else may have closed it meanwhile, or be at it.
			if (!files.has(file.objectId)) return;
			if (file.closing) {
				await file.closing;
				continue;
			}
			file.closing = this.#close(file, closing).finally(() => {
				file.closing = undefined;
			});
			return file.closing;
		}
	}

	async #closingOf(file: PartialFile): Promise<Closing | undefined> {
		const { held, own } = this.#parts;
		const owned = await own.ofRoot(file.root);
		const { object } = (await held.rootRow(file.root)) ?? {};
		const durable = await file.durable(this.#parts);
		durable.countOnly(owned);
		return closingOf(durable, owned, object, held);
	}

	async #close(file: PartialFile, closing: Closing): Promise<void> {
		const { files, cached, log, clock, held, keep, shard, narrow } = this.#parts;
		const { root, sizeBytes, objectId, fact } = file;
		const { kept, earlier } = closing;
		if (keptCount(kept, file.segments) === 0) return files.discard(file);
		if (earlier && !(await this.#takeOver(earlier, file))) return;
		try {
			const tree = { root: bytesOfHex(root), nodes: [] };
			const { wasHeld, spare } = await keep({ tree, sizeBytes, stored: { objectId, kept } });
			// Whoever lists uploads that may go on need not keep it in mind.
			const over = resumableFact({ ...fact, expiresMs: clock.nowMs() });
			await log.write('bulk', spare === undefined ? [over] : [over, givenUp(spare)]).applied;
			files.forget(file);
			const isSubmitted = file.isSubmitted || (await held.rootRow(root))?.submissions !== undefined;
			if (!isSubmitted && (!wasHeld || cached.has(root))) cached.add(root, sizeBytes);
			// It came whole, or the shard is another one since.
			if (isSubmitted && kept?.modulus !== shard.current.count) await narrow(root);
		} catch (error) {
			if (!(error instanceof OvertakenError)) throw error;
			await files.discard(file);
			throw new PerigeeError('UPLOAD_NOT_FOUND', 'the same content came another way and was deleted: send it again');
		}
	}

	/** What only the earlier content has is in the file too. False: not all of it. */
	async #takeOver(part: KeptSegments, file: PartialFile): Promise<boolean> {
		const { storing, held } = this.#parts;
		const { root } = file;
		const { object } = (await held.rootRow(root)) ?? {};
		if (!object) return false;
		const { proved } = await file.durable(this.#parts);
		for await (const copies of segmentCopies(this.#parts, { ...object, root }, part, proved))
			await storing.eachBatch(copies, (right, sent) => storing.store(file, sent, right, COPIED));
		return proved.includes(part);
	}
}

interface Closing {
	/** Segments that the content is to have; undefined: all. */
	readonly kept: KeptSegments | undefined;
	/** More of it may come. */
	readonly isPart: boolean;
	/** Of these parts only the earlier object has all segments. */
	readonly earlier: KeptSegments | undefined;
}

/**
 * Undefined: not yet. `own`: what the shard owns, by which `durable` counts. `object`: the content that the root has so far. Errors: those of the
 * view.
 */
async function closingOf(
	durable: DurableSegments,
	own: KeptSegments | undefined,
	object: RootObject | undefined,
	content: HeldContent,
): Promise<Closing | undefined> {
	const { isComplete, held, proved } = durable;
	if (isComplete) {
		const kept = proved.isComplete ? unlessAll(own) : undefined;
		return { kept, isPart: false, earlier: undefined };
	}
	// Where the file ends before its first own segment, nothing of it is the shard's.
	const parts = own?.residues.filter((residue) => residue < held.segments) ?? [];
	if (!own || parts.length < 2) return undefined;
	const whole = proved.wholeResidues;
	const earlier: number[] = [];
	let isNews = false;
	for (const residue of parts) {
		const part = { ...own, residues: [residue] };
		const isHeld = object?.isPruned === true && (await content.holdsAll(object, part, held.segments));
		if (whole.includes(residue)) isNews ||= !isHeld;
		else if (isHeld) earlier.push(residue);
	}
	if (!isNews) return undefined;
	const residues = parts.filter((residue) => whole.includes(residue) || earlier.includes(residue));
	return { kept: unlessAll({ ...own, residues }), isPart: true, earlier: partOf(own, earlier) };
}

function partOf({ modulus }: KeptSegments, residues: readonly number[]): KeptSegments | undefined {
	return residues.length === 0 ? undefined : { modulus, residues };
}
