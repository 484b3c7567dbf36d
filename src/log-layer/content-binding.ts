/**
 * Binds content to a submission (docs/architecture.md §6): data durable first, then the submission, then the name. Content that is here already is
 * not stored twice, and heals what is damaged of it.
 */
import type { AppendLog } from '../append-log/append-log.js';
import type { WriteTicket } from '../append-log/types.js';
import { type ErrorCode, PerigeeError } from '../errors.js';
import type { Clock } from '../io/clock.js';
import { LIMITS } from '../limits.js';
import type { Journal } from '../settlement/journal.js';
import type { AwaitedSubmission, Settlement } from '../settlement/settlement.js';
import { OWN_FLOW, SEGMENT_BYTES, rootFromBytes, type DataRoot, type FlowId, type TxSeq } from '../units.js';
import type { CheckedObjects } from './checked-objects.js';
import type { DamageList } from './damage.js';
import { spent } from './file-deletion.js';
import type { HeldContent } from './held-content.js';
import { segmentsKept } from './kept-records.js';
import type { RootLocks } from './key-locks.js';
import { mayReturn, type Losses } from './losses.js';
import type { ObjectReader } from './object-reader.js';
import { objectClosed, wholeObject, type ObjectId } from './records.js';
import { rowKeys, type RootedObject, type RootObject, type RootRow, type SubmissionRow } from './rows.js';
import { submissionAt } from './submissions.js';
import type { UploadOptions, UploadResult, UploadSession } from './types.js';
import type { BoundContent, ReadyContent } from './upload.js';
import type { View } from './view.js';

export interface ContentBindingParts {
	readonly log: AppendLog;
	readonly view: View;
	readonly locks: RootLocks;
	readonly clock: Clock;
	readonly journal: Journal;
	readonly settlement: Settlement;
	readonly damage: DamageList;
	readonly checked: CheckedObjects;
	readonly losses: Losses;
	readonly held: HeldContent;
	readonly reader: ObjectReader;
	/** In whose name this node submits; 20 bytes. */
	readonly submitter: Uint8Array;
	/** An upload of this node's own. */
	readonly beginUpload: (options: UploadOptions) => UploadSession;
}

/** Content that is durable here, and whether an earlier object held it already. `spare`: as of BoundContent. */
export interface KeptContent {
	readonly wasHeld: boolean;
	readonly spare: ObjectId | undefined;
}

/** What became of content that is to be named. */
interface Holding extends KeptContent {
	/** Of the root, as it was before. */
	readonly row: RootRow | undefined;
	/** Of the object that held the root before. */
	readonly state: 'intact' | 'damaged' | 'unchecked' | undefined;
	readonly storing: WriteTicket | undefined;
	/** The object whose place the content has taken. */
	readonly replaced: RootObject | undefined;
}

const NO_TAGS = new Uint8Array(0);
const UNREADABLE: ReadonlySet<ErrorCode> = new Set(['DATA_DAMAGED', 'READ_FAILED', 'NOT_HELD']);

/**
 * Since an upload has opened its object, the same content came with a newer one, which was deleted or damaged meanwhile: what is older than that
 * counts no more.
 */
export class OvertakenError extends Error {}

/** The newest object that the root held. */
function newestObject(row: RootRow | undefined): ObjectId {
	const known = [row?.object, row?.ended, row?.deletion];
	return known.reduce((newest, one) => (one && one.objectId > newest ? one.objectId : newest), 0n);
}

/** Content that differs in trailing zeros has the same root and is another file, and so is what was submitted with tags. */
function fits(row: SubmissionRow | undefined, root: DataRoot, lengthBytes: bigint): row is SubmissionRow {
	return row?.dataRoot === root && row.lengthBytes === lengthBytes && row.tags.length === 0;
}

export class ContentBinding {
	readonly #parts: ContentBindingParts;

	constructor(parts: ContentBindingParts) {
		this.#parts = parts;
	}

	/** Makes content durable, if it is not here, and binds it to a submission, if none fits. */
	async bind(content: ReadyContent, options: UploadOptions): Promise<BoundContent> {
		const root = rootFromBytes(content.tree.root);
		const { stored } = content;
		try {
			return await this.#parts.locks.run(root, () => this.#bindAlone(root, content, options));
		} catch (error) {
			if (!(error instanceof OvertakenError && 'objectId' in stored)) throw error;
			const { objectId } = stored;
			const result = await this.#storeAgain({ objectId, sizeBytes: content.sizeBytes, root }, options);
			return { result, spare: objectId };
		}
	}

	/**
	 * Makes content durable, if it is not here, and leaves it to others to submit it: until a submission names it, it may be given up. Errors:
	 * OvertakenError, those of the log.
	 */
	async keep(content: ReadyContent): Promise<KeptContent> {
		const root = rootFromBytes(content.tree.root);
		return this.#parts.locks.run(root, async () => {
			const holding = await this.#hold(root, content);
			await this.#settled(holding);
			return holding;
		});
	}

	/** Stores the bytes of an object that was overtaken as a new one. */
	async #storeAgain(object: RootedObject, options: UploadOptions): Promise<UploadResult> {
		const { log, reader, beginUpload } = this.#parts;
		await log.flush();
		const upload = beginUpload(options);
		try {
			for await (const piece of reader.pieces(object, 0, object.sizeBytes)) {
				const bytes = Buffer.from(piece.bytes);
				piece.release();
				await upload.write(bytes);
			}
			return await upload.finish();
		} catch (error) {
			await upload.abort();
			throw error;
		}
	}

	/** Under the root's lock: nobody else stores, deletes or gives up this content meanwhile. */
	async #bindAlone(root: DataRoot, content: ReadyContent, options: UploadOptions): Promise<BoundContent> {
		const holding = await this.#hold(root, content);
		const { known, ...submission } = await this.#submission(content, root, holding.row, options);
		await this.#settled(holding);
		const result = {
			root,
			...submission,
			sizeBytes: content.sizeBytes,
			segments: Math.ceil(content.sizeBytes / SEGMENT_BYTES),
			name: options.name,
			existed: known && (holding.state === 'intact' || holding.state === 'unchecked'),
		};
		return holding.spare === undefined ? { result } : { result, spare: holding.spare };
	}

	/** Makes the data durable. Whoever holds the root's lock may name it then; the view may take both in any order. */
	async #hold(root: DataRoot, content: ReadyContent): Promise<Holding> {
		const row = await this.#parts.held.rootRow(root);
		const own = 'objectId' in content.stored ? content.stored : undefined;
		// A resumable upload whose object was closed before a crash is bound now. Whatever else leads here: what the root holds is no spare copy.
		const isOwn = own !== undefined && row?.object?.objectId === own.objectId;
		const state = isOwn ? 'intact' : row?.object && (await this.#stateOf({ ...row.object, root }));
		// What a view without all of the log calls held may be deleted by a fact that returns; a newer object is out of its reach.
		// An older object cannot take the place of a newer one, which has come whole while this one came.
		const isNewer = own !== undefined && row?.object !== undefined && row.object.objectId > own.objectId;
		const isTrusted = state === 'intact' || (state === 'unchecked' && isNewer);
		const wasHeld = isOwn || (isTrusted && !mayReturn(this.#parts.losses, this.#parts.damage));
		if (own && !wasHeld && newestObject(row) >= own.objectId) throw new OvertakenError();
		if (own?.isClosed && !wasHeld) throw new PerigeeError('UPLOAD_NOT_FOUND', 'what had come was deleted');
		const replaced = wasHeld ? undefined : row?.object;
		const storing = wasHeld ? undefined : this.#store(content, replaced);
		await storing?.durable;
		if (replaced && 'bytes' in content.stored) this.#parts.log.write('small', [spent(replaced, root)], false);
		// The bytes came a second time; compaction reclaims them.
		const spare = wasHeld && !isOwn ? own?.objectId : undefined;
		return { row, state, wasHeld, storing, replaced, spare };
	}

	/** Resolves when the view knows of it. */
	async #settled({ storing, replaced }: Holding): Promise<void> {
		await storing?.applied;
		// What was damaged is in no object any more that has a name.
		if (replaced) this.#parts.damage.forget(replaced.objectId);
	}

	/**
	 * What is known of an object whose content has come again, so that the new bytes heal damage, also damage that nobody has met yet.
	 * `unchecked`: it is large, and nobody has read it through lately; the copy that has just come takes its place, which costs nothing.
	 */
	async #stateOf(object: RootedObject): Promise<'intact' | 'damaged' | 'unchecked'> {
		if (object.isPruned || this.#parts.damage.of(object.objectId)) return 'damaged';
		if (this.#parts.checked.covers(object.objectId)) return 'intact';
		if (object.sizeBytes > LIMITS.intactReadBytes) return 'unchecked';
		try {
			for (let from = 0; from < object.sizeBytes; from += SEGMENT_BYTES) {
				await this.#parts.reader.small(object, from, Math.min(from + SEGMENT_BYTES, object.sizeBytes));
			}
			this.#parts.checked.read(object.objectId);
			return 'intact';
		} catch (error) {
			if (error instanceof PerigeeError && UNREADABLE.has(error.code)) return 'damaged';
			throw error;
		}
	}

	/** `replaced`: the object that holds the same content, damaged. Large ones end in the same group, so that no stop leaves both. */
	#store({ tree, sizeBytes, stored }: ReadyContent, replaced: RootObject | undefined): WriteTicket {
		if ('bytes' in stored)
			return this.#parts.log.write('small', [wholeObject(tree.root, stored.bytes, stored.blockCrcs)]);
		const { objectId, kept } = stored;
		const segments = Math.ceil(sizeBytes / SEGMENT_BYTES);
		const facts = kept ? [...segmentsKept(objectId, kept, segments)] : [];
		facts.push(objectClosed({ objectId, sizeBytes: BigInt(sizeBytes), root: tree.root }));
		if (replaced) facts.push(spent(replaced, rootFromBytes(tree.root)));
		return this.#parts.log.write('bulk', facts);
	}

	/** The submission of this content: the one there is, with the new name recorded, or a new one, which may still have to come. */
	async #submission(
		content: ReadyContent,
		root: DataRoot,
		row: RootRow | undefined,
		options: UploadOptions,
	): Promise<{ readonly known: boolean; readonly txSeq?: TxSeq; readonly awaited?: AwaitedSubmission }> {
		const { name, contentType } = options;
		const sizeBytes = BigInt(content.sizeBytes);
		const known = row && (await this.#sameSubmission(root, row, sizeBytes));
		if (known) {
			const { flowId, txSeq } = known;
			const upload = { flowId, root, timeMs: this.#parts.clock.nowMs(), name, contentType };
			// A replay that misses the entry of the submission finds out by its name. One of a chain may be taken back meanwhile, and is not named.
			await this.#parts.journal.recordUpload(flowId === OWN_FLOW ? { ...upload, txSeq } : upload);
			const standing = await submissionAt(this.#parts.view, flowId, txSeq);
			if (fits(standing, root, sizeBytes)) return { txSeq, known: true };
		}
		const submission = {
			lengthBytes: sizeBytes,
			tags: NO_TAGS,
			nodes: content.tree.nodes,
			submitter: this.#parts.submitter,
		};
		const submitted = await this.#parts.settlement.submit(submission, { name, contentType });
		return 'state' in submitted ? { awaited: submitted, known: false } : { txSeq: submitted.txSeq, known: false };
	}

	/** A submission of this content. */
	async #sameSubmission(root: DataRoot, row: RootRow, lengthBytes: bigint): Promise<SubmissionRow | undefined> {
		const { submissions } = row;
		if (!submissions) return undefined;
		const first = await submissionAt(this.#parts.view, submissions.flowId, submissions.firstSeq);
		if (fits(first, root, lengthBytes)) return first;
		if (!submissions.more) return undefined;
		const from = rowKeys.rootSeq(root, 0 as FlowId, 0 as TxSeq);
		const to = rowKeys.rootSeq(root, 0xffff_ffff as FlowId, Number.MAX_SAFE_INTEGER as TxSeq);
		for await (const rows of this.#parts.view.scan({ from, to })) {
			for (const { key } of rows) {
				const bytes = Buffer.from(key);
				const found = await submissionAt(
					this.#parts.view,
					bytes.readUInt32BE(33) as FlowId,
					Number(bytes.readBigUInt64BE(37)),
				);
				if (fits(found, root, lengthBytes)) return found;
			}
		}
		return undefined;
	}
}
