/**
 * The sealed copies of flow segments: what they are made from, where they lie, and how they are written and read (docs/architecture.md §5). A copy is
 * derived data: the plain records stay, so a copy that is lost, damaged or out of date costs work and never data.
 */
import type { AppendLog } from '../append-log/append-log.js';
import { PerigeeError } from '../errors.js';
import type { StorageFile } from '../io/storage-io.js';
import { checkBlocksBytes } from '../native/addon.js';
import type { Settlement } from '../settlement/settlement.js';
import { SEGMENT_BYTES, type DataRoot, type FlowId } from '../units.js';
import type { DiskSpace } from './disk-space.js';
import { fillPieces } from './flow-segment-data.js';
import type { FlowSegment } from './flow-segments.js';
import type { LogFileStore } from './file-store.js';
import { decodeRootRow, rowKeys } from './rows.js';
import { segmentsOfRoot, type FlowSegmentRange } from './root-ranges.js';
import {
	contentDigest,
	flowSegmentDropped,
	sealedFlowSegment,
	type SealContext,
	type SealedPiece,
} from './sealed-records.js';
import { decodeSealedRow, sealedKey, type SealedRow } from './sealed-rows.js';
import type { View } from './view.js';

export interface SealedSegmentsParts {
	readonly log: AppendLog;
	readonly view: View;
	readonly disk: DiskSpace;
	readonly files: LogFileStore;
	readonly settlement: Settlement;
	/** How often, since the start, submissions were taken back. */
	readonly reverts: () => number;
	/** A damaged copy could not be given up; whoever meets it again tries again. */
	readonly onError: (error: unknown) => void;
}

/** A sealed copy as the view has it. */
export type SealedCopy = Exclude<SealedRow, { readonly droppedBy: unknown }>;

/** What a flow segment is made of now. */
export interface PlainSegment {
	readonly index: bigint;
	/** Bit s: all of seal s is held, and can be proven. */
	readonly seals: bigint;
	/** It is nothing but zeros, where no file lies. */
	readonly isEmpty: boolean;
	readonly pieces: readonly SealedPiece[];
	/** As of contentDigest. */
	readonly content: Uint8Array;
	/** Writes its bytes; zeros where nothing is held. Errors: DATA_DAMAGED, READ_FAILED, NOT_HELD. */
	fill(into: Buffer): Promise<void>;
}

/** A copy to be written. */
export interface NewSealed {
	readonly plain: PlainSegment;
	/** 32 bytes. */
	readonly minerId: Uint8Array;
	readonly seals: bigint;
	readonly contexts: readonly SealContext[];
	/** 262,144 bytes, unchanged until `write` has ended. */
	readonly bytes: Uint8Array;
	/** Little-endian, 4 bytes a block. */
	readonly blockCrcs: Uint8Array;
}

/** Sector 0 of the flow is no sector of data: its seal can never be proven. */
const FIRST_SEAL = 1n;

export class SealedSegments {
	readonly #parts: SealedSegmentsParts;
	readonly #flowId: FlowId;
	readonly #listeners = new Set<(index: bigint) => void>();

	constructor(parts: SealedSegmentsParts) {
		this.#parts = parts;
		this.#flowId = parts.settlement.identity().flowId;
	}

	/** How often, since the start, submissions were taken back: what copies are made of may be another then. */
	get reverts(): number {
		return this.#parts.reverts();
	}

	/** Copies in the order of the indices; undefined where there is none that could be read. */
	async find(indices: readonly bigint[]): Promise<readonly (SealedCopy | undefined)[]> {
		const { view, log } = this.#parts;
		const rows = await view.getMany(indices.map((index) => sealedKey({ flowId: this.#flowId, index })));
		return rows.map((value) => {
			const row = value && decodeSealedRow(value);
			if (!row || 'droppedBy' in row || log.isLost(row.place.lane, row.place.fileNo)) return undefined;
			return row;
		});
	}

	/** What flow segment `index` is made of. */
	async plain(index: bigint): Promise<PlainSegment> {
		const { files } = this.#parts;
		const segment = await files.flowSegment(index);
		const pieces = piecesOf(segment);
		return {
			index,
			seals: index === 0n ? segment.availability & ~FIRST_SEAL : segment.availability,
			isEmpty: segment.pieces.length === 0,
			pieces,
			content: contentDigest(pieces),
			fill: (into) => fillPieces(segment, into.fill(0), files.reader),
		};
	}

	/** Resolves when the copies are durable and the view has them. Errors: DISK_FULL (also where only the reserve is left), READ_ONLY, OVERLOADED, SHUTTING_DOWN. */
	async write(copies: readonly NewSealed[]): Promise<void> {
		const { log, disk } = this.#parts;
		if (disk.uploadableBytes < copies.length * SEGMENT_BYTES)
			throw new PerigeeError('DISK_FULL', 'the disk has no room for sealed copies beside its reserve');
		const records = copies.map(({ plain: { index, pieces }, minerId, seals, contexts, bytes, blockCrcs }) =>
			sealedFlowSegment({ flowId: this.#flowId, index, minerId, seals, contexts, pieces }, bytes, blockCrcs),
		);
		await log.write('sealed', records).applied;
	}

	/** There is no copy any more. Resolves when that is durable. Errors: DISK_FULL, READ_ONLY, OVERLOADED, SHUTTING_DOWN. */
	async drop(index: bigint): Promise<void> {
		await this.#parts.log.write('sealed', [flowSegmentDropped({ flowId: this.#flowId, index })]).applied;
	}

	/** The bytes of a copy. Errors: DATA_DAMAGED, READ_FAILED. */
	async read({ place }: SealedCopy): Promise<Buffer> {
		const bytes = Buffer.alloc(place.lengthBytes);
		await this.#parts.log.read(place.lane, place.fileNo, place.offset, bytes);
		if (checkBlocksBytes(bytes, place.blockCrcs) >= 0)
			throw new PerigeeError('DATA_DAMAGED', `a sealed flow segment in log file ${place.fileNo} is damaged`);
		return bytes;
	}

	/** A log file of sealed copies, to be read by its descriptor until it is closed. Errors: those of StorageIo. */
	open(fileNo: number): Promise<StorageFile> {
		return this.#parts.log.closedFiles.openFile('sealed', fileNo);
	}

	/** A copy cannot be read as it was written: it is given up, and whoever seals is told. */
	async foundDamaged(index: bigint): Promise<void> {
		try {
			await this.drop(index);
		} catch (error) {
			this.#parts.onError(error);
		}
		for (const heard of this.#listeners) heard(index);
	}

	/** Hears of flow segments whose copy turned out to be damaged. The answer ends it. */
	onDamage(heard: (index: bigint) => void): () => void {
		this.#listeners.add(heard);
		return () => this.#listeners.delete(heard);
	}

	/** Where in the flow a content lies; `isWhole`: these are all of its places. */
	async placesOf(root: DataRoot): Promise<{ readonly ranges: readonly FlowSegmentRange[]; readonly isWhole: boolean }> {
		const row = await this.#parts.view.get(rowKeys.root(root));
		const submissions = row && decodeRootRow(row).submissions;
		if (submissions?.flowId !== this.#flowId) return { ranges: [], isWhole: true };
		return segmentsOfRoot(this.#parts.view, root, submissions);
	}
}

/** What is held of a flow segment. */
function piecesOf({ pieces }: FlowSegment): readonly SealedPiece[] {
	return pieces.flatMap(({ object, sector, sectors, fileSector }) =>
		object ? [{ objectId: object.objectId, sector, sectors, fileSector }] : [],
	);
}
