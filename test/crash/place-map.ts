/**
 * Somebody who keeps positions of records outside the store, as a mining map does: it learns them from the index, and reads the disk by
 * itself. Each of its positions must hold the right bytes for as long as it has not let go of the file.
 */
import { posix } from 'node:path';
import type { Lane, Place } from '../../src/append-log/types.js';
import type { PlaceHolder } from '../../src/log-layer/retirement.js';
import { decodeRootRow, decodeSegmentRow, type PlainPlace } from '../../src/log-layer/rows.js';
import { decodeSealedRow } from '../../src/log-layer/sealed-rows.js';
import { TABLES } from '../../src/db/tables.js';
import { checkBlocksBytes } from '../../src/native/addon.js';
import type { SimulatedMachine } from './simulated-machine.js';
import { Violation } from './violation.js';

/** Steps that letting go of a file takes. */
const SLOWNESS = 20;

export class PlaceMap implements PlaceHolder {
	readonly #machine: SimulatedMachine;
	readonly #left = new Set<string>();
	#places: readonly PlainPlace[] = [];

	constructor(machine: SimulatedMachine) {
		this.#machine = machine;
	}

	async moving(lane: Lane, fileNo: number): Promise<void> {
		for (let step = 0; step < SLOWNESS; step++) await Promise.resolve();
		this.#left.add(nameOf({ lane, fileNo }));
		await this.learn();
	}

	/** Takes all places of the index over. */
	async learn(): Promise<void> {
		const { database } = this.#machine;
		if (!database) return;
		const places: PlainPlace[] = [];
		for (const table of [TABLES.root, TABLES.segment, TABLES.sealed]) {
			for await (const rows of database.scan({ from: Buffer.of(table), to: Buffer.of(table + 1) })) {
				for (const { value } of rows) {
					const place = placeIn(table, value);
					if (place && !this.#left.has(nameOf(place))) places.push(place);
				}
			}
		}
		this.#places = places;
	}

	/** Reads all that it holds. Throws a Violation. */
	check(): void {
		const { io } = this.#machine;
		const files = new Map<string, Uint8Array>();
		// On whichever volume they are.
		const paths = new Map(io.files().map((path) => [posix.basename(path), path]));
		for (const place of this.#places) {
			const name = nameOf(place);
			const path = paths.get(name);
			if (path === undefined) throw new Violation(`${name} is gone, and the map holds a place in it`);
			const bytes = files.get(path) ?? io.contents(path);
			files.set(path, bytes);
			const payload = bytes.subarray(place.offset, place.offset + place.lengthBytes);
			if (payload.length < place.lengthBytes || checkBlocksBytes(payload, place.blockCrcs) >= 0)
				throw new Violation(`a place of the map in ${path} has other bytes`);
		}
	}
}

function placeIn(table: number, value: Uint8Array): PlainPlace | undefined {
	if (table === TABLES.root) return decodeRootRow(value).object?.place;
	if (table === TABLES.segment) return decodeSegmentRow(value).place;
	const row = decodeSealedRow(value);
	return 'place' in row ? row.place : undefined;
}

function nameOf({ lane, fileNo }: Pick<Place, 'lane' | 'fileNo'>): string {
	return `${lane}-${String(fileNo).padStart(10, '0')}.log`;
}
