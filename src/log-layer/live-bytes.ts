/**
 * How much of each log file still counts: what the rows of the view point to, and the facts. Compaction chooses files by it, and looks at
 * a file itself before it relies on anything, so an error here costs work and never data.
 *
 * Counted in memory as the lanes are applied, and saved with each checkpoint. After an unclean stop the saved figures of the payload are an
 * estimate (a replay does not know which rows stood already), and `recount` makes them exact again from the view in the background.
 * Facts are counted by the lane's position and are exact always; they count as living for ever, since nothing tells in which file one died.
 */
import type { Lane, LogRecord, Place } from '../append-log/types.js';
import { TABLES } from '../db/tables.js';
import { LIMITS } from '../limits.js';
import { BLOCK_BYTES } from '../units.js';
import { placesOf } from './row-places.js';
import type { View } from './view.js';

/** Bytes by file number. */
type Bytes = Map<number, number>;
type LaneBytes = { readonly [L in Lane]: Bytes };

/** As it stands in the checkpoint: per lane [file number, payload bytes, fact bytes]. */
export type SavedLiveBytes = Partial<Record<Lane, readonly (readonly [number, number, number])[]>>;

const PAYLOAD_ALIGN_BYTES = 8;
/** Header of a record with a payload: its own fields, an ext of 48 bytes, an origin (docs/format.md §4); it stands in header and trailer. */
const RECORD_HEADER_BYTES = 4 + 48 + 8 + 8;
const CRC_BYTES = 4;

export class LiveBytes {
	#payload = noBytes();
	readonly #facts = noBytes();
	#recounting: { readonly payload: LaneBytes; frontier: Buffer } | undefined;
	#isExact: boolean;

	/** `saved`: as of the checkpoint that the replay begins at; `isExact`: nothing can have changed since, or there is nothing yet. */
	constructor(saved: SavedLiveBytes | undefined, isExact: boolean) {
		this.#isExact = isExact;
		for (const [lane, files] of Object.entries(saved ?? {}) as [Lane, readonly [number, number, number][]][]) {
			for (const [fileNo, payload, facts] of files) {
				this.#payload[lane].set(fileNo, payload);
				this.#facts[lane].set(fileNo, facts);
			}
		}
	}

	/** False: only `recount` can tell exactly what is alive. */
	get isExact(): boolean {
		return this.#isExact;
	}

	/** A replay has begun at a checkpoint that may be older than the view. */
	distrust(): void {
		this.#isExact = false;
	}

	/** The row `key` pointed to `from` and points to `to` from now on. */
	moved(key: Buffer, from: Place | undefined, to: Place | undefined): void {
		move(this.#payload, from, to);
		if (this.#recounting && Buffer.compare(key, this.#recounting.frontier) <= 0)
			move(this.#recounting.payload, from, to);
	}

	/** Records of the lane were taken; they stand in file `fileNo`. */
	took(lane: Lane, fileNo: number, records: readonly LogRecord[]): void {
		let bytes = 0;
		for (const record of records) if (!record.place) bytes += 2 * (4 + record.ext.length + 8);
		if (bytes > 0) add(this.#facts[lane], fileNo, bytes);
	}

	/** Bytes of the file that count, with their share of headers. */
	of(lane: Lane, fileNo: number): number {
		return Math.max(0, this.#payload[lane].get(fileNo) ?? 0) + (this.#facts[lane].get(fileNo) ?? 0);
	}

	/** Of all files: payload that rows point to, with its share of headers. */
	get payloadBytes(): number {
		let sum = 0;
		for (const files of Object.values(this.#payload)) for (const bytes of files.values()) sum += Math.max(0, bytes);
		return sum;
	}

	/** The file is gone. */
	forget(lane: Lane, fileNo: number): void {
		this.#payload[lane].delete(fileNo);
		this.#facts[lane].delete(fileNo);
	}

	save(): SavedLiveBytes {
		const saved: SavedLiveBytes = {};
		for (const lane of LANES_WITH_PLACES) {
			const numbers = new Set([...this.#payload[lane].keys(), ...this.#facts[lane].keys()]);
			saved[lane] = [...numbers]
				.sort((a, b) => a - b)
				.map((fileNo) => [fileNo, this.#payload[lane].get(fileNo) ?? 0, this.#facts[lane].get(fileNo) ?? 0]);
		}
		return saved;
	}

	/** Counts the places of all rows anew, in short turns between those of the lanes. Errors: DATA_DAMAGED, those of `breathe`. */
	async recount(view: View, breathe: () => Promise<void>): Promise<void> {
		this.#recounting = { payload: noBytes(), frontier: Buffer.alloc(0) };
		try {
			for (const table of [TABLES.root, TABLES.segment, TABLES.staged, TABLES.sealed]) {
				let from: Buffer = Buffer.of(table);
				while (from.length > 0) {
					from = await this.#recountRows(view, from, Buffer.of(table + 1));
					await breathe();
				}
			}
			this.#payload = this.#recounting.payload;
			this.#isExact = true;
		} finally {
			this.#recounting = undefined;
		}
	}

	/** Counts the next rows; answers where to go on, nothing at the end of the table. */
	async #recountRows(view: View, from: Buffer, to: Buffer): Promise<Buffer> {
		let next = Buffer.alloc(0);
		await view.change(async (turn) => {
			const recounting = this.#recounting;
			if (!recounting) return;
			// The scan sees only what is written.
			turn.settleLater();
			await turn.commit();
			let last: Buffer | undefined;
			let count = 0;
			for await (const rows of turn.scan({ from, to, limitRows: LIMITS.recountRows })) {
				for (const { key, value } of rows)
					for (const place of placesOf(key, value)) move(recounting.payload, undefined, place);
				count += rows.length;
				const end = rows.at(-1);
				if (end) last = Buffer.from(end.key);
			}
			recounting.frontier = last && count === LIMITS.recountRows ? last : to;
			// The key behind the last one.
			if (last && count === LIMITS.recountRows) next = Buffer.concat([last, Buffer.of(0)]);
		});
		return next;
	}
}

const LANES_WITH_PLACES = ['small', 'bulk', 'sealed'] as const satisfies readonly Lane[];

/** What a payload takes in a log file that is well filled, with its record's headers. */
function footprintBytes(payloadBytes: number): number {
	const header = RECORD_HEADER_BYTES + CRC_BYTES * Math.ceil(payloadBytes / BLOCK_BYTES);
	return Math.ceil(payloadBytes / PAYLOAD_ALIGN_BYTES) * PAYLOAD_ALIGN_BYTES + 2 * header;
}

function noBytes(): LaneBytes {
	return { journal: new Map(), small: new Map(), bulk: new Map(), sealed: new Map() };
}

function move(bytes: LaneBytes, from: Place | undefined, to: Place | undefined): void {
	if (from) add(bytes[from.lane], from.fileNo, -footprintBytes(from.lengthBytes));
	if (to) add(bytes[to.lane], to.fileNo, footprintBytes(to.lengthBytes));
}

function add(bytes: Bytes, fileNo: number, count: number): void {
	bytes.set(fileNo, (bytes.get(fileNo) ?? 0) + count);
}
