/**
 * What is known to be damaged: segments of files, and stretches of log files. Both bounded.
 *
 * Promises: an entry stays until its segment was healed, found intact, or is used by no file any more, also over restarts (DamageFile
 * keeps the list). A crash may lose the entries of the last second; a read or the scrub finds them again.
 */
import type { Lane } from '../append-log/types.js';
import type { Clock } from '../io/clock.js';
import { LIMITS } from '../limits.js';
import type { DataRoot } from '../units.js';
import type { ObjectId } from './records.js';
import type { SegmentRange } from './segment-ranges.js';

/**
 * checksum: the bytes do not match their CRC. root: they match it and not the Merkle root. missing: their log file is gone or ends too
 * early. unreadable: the disk answers with errors, again and again. record: the bytes are right, but the record that tells whose they are is
 * lost, so that a rebuild of the view would lose them.
 */
export type SegmentDamageReason = 'checksum' | 'root' | 'missing' | 'unreadable' | 'record';
/**
 * lost: no copy of what stood there is right. unreadable: the disk answers with errors from there on. copy: one of two copies is damaged;
 * nothing is lost. missing: the log file is not there.
 */
export type StretchDamageReason = 'lost' | 'unreadable' | 'copy' | 'missing';
/** Who came across it. */
export type DamageFinder = 'read' | 'scrub' | 'compaction' | 'open';

export interface DamagedSegment {
	readonly root: DataRoot;
	readonly objectId: ObjectId;
	readonly segment: number;
	readonly reason: SegmentDamageReason;
	readonly lane: Lane;
	readonly fileNo: number;
	/** Of the segment's bytes in the log file. */
	readonly offset: number;
	readonly foundBy: DamageFinder;
}

export interface DamagedStretch {
	readonly lane: Lane;
	readonly fileNo: number;
	/** Bytes [from, to) of the log file. */
	readonly from: number;
	readonly to: number;
	readonly reason: StretchDamageReason;
	readonly foundBy: DamageFinder;
}

/** An entry as it is listed: `id` rises with time and is never given twice while the list lives. */
export type DamageEntry = { readonly id: number; readonly foundMs: number } & (
	| { readonly segment: DamagedSegment }
	| { readonly stretch: DamagedStretch; readonly isGivenUp?: true }
);

type SegmentEntry = Extract<DamageEntry, { segment: DamagedSegment }>;
type StretchEntry = Extract<DamageEntry, { stretch: DamagedStretch }>;

/** Where a segment of a file lies. */
export type SegmentPlace = Omit<DamagedSegment, 'reason' | 'foundBy'>;

export interface DamageObserver {
	/** A place that was not known before. */
	found(damage: DamagedSegment | DamagedStretch): void;
}

export class DamageList {
	/** Called after each change. */
	onChange: () => void = () => undefined;
	readonly #clock: Clock;
	readonly #observer: DamageObserver;
	readonly #segments = new Map<ObjectId, Map<number, SegmentEntry>>();
	readonly #stretches = new Map<string, StretchEntry>();
	/** When a segment could not be read for the first time, by object and segment. */
	readonly #suspects = new Map<string, number>();
	#count = 0;
	#nextId = 1;
	#overflows = 0;
	#settledOverflows = 0;

	constructor(clock: Clock, observer: DamageObserver) {
		this.#clock = clock;
		this.#observer = observer;
	}

	/** Damaged segments. */
	get count(): number {
		return this.#count;
	}

	/** Stretches of which no good copy is left, and that nobody has given up. */
	get lostStretches(): readonly DamagedStretch[] {
		return [...this.#stretches.values()].filter(isLost).map(({ stretch }) => stretch);
	}

	/** What cannot be read now is given up for good: it stays in the list and counts no longer. */
	giveUpStretches(): void {
		for (const [name, entry] of this.#stretches)
			if (isLost(entry)) this.#stretches.set(name, { ...entry, isGivenUp: true });
		this.onChange();
	}

	get stretches(): readonly DamagedStretch[] {
		return [...this.#stretches.values()].map(({ stretch }) => stretch);
	}

	/** True once there was more damage than can be remembered: a segment that is not listed may then be damaged too. */
	get hasOverflowed(): boolean {
		return this.#overflows > this.#settledOverflows;
	}

	/** How often damage did not fit into the list, in all. */
	get overflows(): number {
		return this.#overflows;
	}

	/** Damaged segments of an object, by number. */
	of(objectId: ObjectId): ReadonlyMap<number, unknown> | undefined {
		return this.#segments.get(objectId);
	}

	/** All damaged segments. */
	get segments(): readonly DamagedSegment[] {
		return [...this.#segments.values()].flatMap((known) => [...known.values()].map(({ segment }) => segment));
	}

	/** False when it was known. Beyond the bound damage is still an error for its reader, but not remembered. */
	add(damage: DamagedSegment): boolean {
		const known = this.#segments.get(damage.objectId);
		if (known?.has(damage.segment)) return false;
		this.#suspects.delete(suspectName(damage));
		if (this.#count >= LIMITS.damagedSegments) {
			this.#overflows++;
			this.onChange();
			return false;
		}
		this.#put({ id: this.#nextId++, foundMs: this.#clock.nowMs(), segment: damage });
		this.#observer.found(damage);
		this.onChange();
		return true;
	}

	/**
	 * The disk answered a read of the segment with an error. True when it is damage now: such an answer may be a single event, a second
	 * one some time later is none (`isAgain`: the caller has seen to that itself).
	 */
	readFailed(place: SegmentPlace, foundBy: DamageFinder, isAgain = false): boolean {
		if (this.#segments.get(place.objectId)?.has(place.segment)) return true;
		const name = suspectName(place);
		const firstMs = this.#suspects.get(name);
		if (isAgain || (firstMs !== undefined && this.#clock.nowMs() - firstMs >= LIMITS.suspectMs)) {
			this.add({ ...place, reason: 'unreadable', foundBy });
			return true;
		}
		if (firstMs === undefined) {
			if (this.#suspects.size >= LIMITS.suspectSegments) {
				const [oldest] = this.#suspects.keys();
				if (oldest !== undefined) this.#suspects.delete(oldest);
			}
			this.#suspects.set(name, this.#clock.nowMs());
		}
		return false;
	}

	/** The segment was read and is right. */
	readRight(objectId: ObjectId, segment: number): void {
		if (this.#suspects.size > 0) this.#suspects.delete(suspectName({ objectId, segment }));
	}

	/** The segment was read from where it lies and is as it should be: damage of before was healed, or was none of the disk. */
	foundIntact(objectId: ObjectId, segment: number): void {
		this.readRight(objectId, segment);
		this.#remove(objectId, segment);
	}

	/** These segments are no part of their file any more. */
	dropped(objectId: ObjectId, { first, count }: SegmentRange): void {
		for (const segment of this.#segments.get(objectId)?.keys() ?? [])
			if (segment >= first && segment < first + count) this.#remove(objectId, segment);
	}

	#remove(objectId: ObjectId, segment: number): void {
		const known = this.#segments.get(objectId);
		if (!known?.delete(segment)) return;
		if (known.size === 0) this.#segments.delete(objectId);
		this.#count--;
		this.onChange();
	}

	/** The object is no longer used: other bytes have taken its place, or it was deleted. */
	forget(objectId: ObjectId): void {
		const known = this.#segments.get(objectId);
		if (!known) return;
		this.#count -= known.size;
		this.#segments.delete(objectId);
		this.onChange();
	}

	/** Replaces what is known about stretches of one log file. */
	setStretches(lane: Lane, fileNo: number, stretches: readonly DamagedStretch[]): void {
		const names = new Set(stretches.map(stretchName));
		let hasChanged = false;
		for (const [name, { stretch }] of this.#stretches) {
			if (stretch.lane !== lane || stretch.fileNo !== fileNo || names.has(name)) continue;
			this.#stretches.delete(name);
			hasChanged = true;
		}
		for (const stretch of stretches) hasChanged = this.#addStretch(stretch) || hasChanged;
		if (hasChanged) this.onChange();
	}

	addStretch(stretch: DamagedStretch): void {
		if (this.#addStretch(stretch)) this.onChange();
	}

	/** Drops segments that do not matter any more, and stretches that are not as they were. */
	keepOnly(isStill: (damage: DamagedSegment) => boolean, hasFile: (stretch: DamagedStretch) => boolean): void {
		for (const known of this.#segments.values())
			for (const { segment } of known.values()) if (!isStill(segment)) this.#remove(segment.objectId, segment.segment);
		for (const [name, { stretch }] of this.#stretches) {
			if (hasFile(stretch)) continue;
			this.#stretches.delete(name);
			this.onChange();
		}
	}

	/** Every segment was read since `overflows` stood at this: what did not fit then has been met again. */
	overflowsSettled(overflows: number): void {
		if (overflows <= this.#settledOverflows) return;
		this.#settledOverflows = overflows;
		this.onChange();
	}

	/** Up to `most` entries with an id above `after`, in order. */
	entries(after: number, most: number): readonly DamageEntry[] {
		return this.#all()
			.filter(({ id }) => id > after)
			.slice(0, most);
	}

	/** For DamageFile. */
	save(): object {
		const entries = this.#all().map((entry) => ('segment' in entry ? savedSegment(entry) : entry));
		return { nextId: this.#nextId, overflows: this.#overflows, settledOverflows: this.#settledOverflows, entries };
	}

	/** Takes over what `save` answered in an earlier run. */
	restore(saved: SavedDamage): void {
		this.#nextId = saved.nextId;
		this.#overflows = saved.overflows;
		this.#settledOverflows = saved.settledOverflows;
		for (const entry of saved.entries) {
			if ('segment' in entry)
				this.#put({ ...entry, segment: { ...entry.segment, objectId: BigInt(entry.segment.objectId) } });
			else this.#stretches.set(stretchName(entry.stretch), entry);
		}
	}

	#all(): DamageEntry[] {
		const all: DamageEntry[] = [...this.#stretches.values()];
		for (const known of this.#segments.values()) all.push(...known.values());
		return all.sort((a, b) => a.id - b.id);
	}

	#put(entry: SegmentEntry): void {
		const { objectId, segment } = entry.segment;
		const known = this.#segments.get(objectId) ?? new Map<number, SegmentEntry>();
		known.set(segment, entry);
		this.#segments.set(objectId, known);
		this.#count++;
	}

	#addStretch(stretch: DamagedStretch): boolean {
		const name = stretchName(stretch);
		if (this.#stretches.has(name) || this.#stretches.size >= LIMITS.damagedStretches) return false;
		this.#stretches.set(name, { id: this.#nextId++, foundMs: this.#clock.nowMs(), stretch });
		this.#observer.found(stretch);
		return true;
	}
}

/** What `save` answers, read back: object ids are decimal texts. */
export interface SavedDamage {
	readonly nextId: number;
	readonly overflows: number;
	readonly settledOverflows: number;
	readonly entries: readonly (
		| (Omit<SegmentEntry, 'segment'> & { readonly segment: Omit<DamagedSegment, 'objectId'> & { objectId: string } })
		| StretchEntry
	)[];
}

function savedSegment({ id, foundMs, segment }: SegmentEntry): SavedDamage['entries'][number] {
	return { id, foundMs, segment: { ...segment, objectId: String(segment.objectId) } };
}

function isLost({ stretch, isGivenUp }: StretchEntry): boolean {
	return stretch.reason !== 'copy' && !isGivenUp;
}

function suspectName({ objectId, segment }: { readonly objectId: ObjectId; readonly segment: number }): string {
	return `${objectId}/${segment}`;
}

function stretchName({ lane, fileNo, from, to, reason }: DamagedStretch): string {
	return `${lane}/${fileNo}/${from}/${to}/${reason}`;
}
