/**
 * The shard of a node (spec log-layer §7): of the segments of the flow it owns those whose number leaves `id` when divided by `count`. A file of
 * more than one segment begins at a flow segment, so of its own segments one residue is this node's; several submissions of a root may give it
 * several.
 */
import type { Shard } from '../config/shard-position.js';
import { LIMITS } from '../limits.js';
import { SEGMENT_SECTORS } from '../units.js';

/** Segments of a file: those whose number leaves one of `residues` when divided by `modulus`. */
export interface KeptSegments {
	/** A power of two. */
	readonly modulus: number;
	/** Ascending, below `modulus`, at most LIMITS.keptResidues. */
	readonly residues: readonly number[];
}

/** The segments of a file that this shard owns; undefined: all. `startSector`: where its submission lies in the flow. */
export function ownSegments({ id, count }: Shard, startSector: bigint): KeptSegments | undefined {
	if (count === 1) return undefined;
	const start = Number((startSector / BigInt(SEGMENT_SECTORS)) % BigInt(count));
	return { modulus: count, residues: [(id - start + count) % count] };
}

/**
 * Of several submissions of one root, each of which gives the shard a part; together that may be all. Undefined: all, without parts, which is also
 * what a root of too many different places gets.
 */
export function ownSegmentsOfAll(shard: Shard, startSectors: readonly bigint[]): KeptSegments | undefined {
	const residues = new Set(startSectors.flatMap((start) => ownSegments(shard, start)?.residues ?? []));
	if (shard.count === 1 || residues.size > LIMITS.keptResidues) return undefined;
	return { modulus: shard.count, residues: [...residues].sort((a, b) => a - b) };
}

/** The same segments; undefined: all. */
export function unlessAll(kept: KeptSegments | undefined): KeptSegments | undefined {
	return kept && kept.residues.length < kept.modulus ? kept : undefined;
}

export function isKept(kept: KeptSegments | undefined, segment: number): boolean {
	return !kept || kept.residues.includes(segment % kept.modulus);
}

/** How many of the segments [0, end) are kept. */
export function keptCount(kept: KeptSegments | undefined, end: number): number {
	if (!kept) return end;
	const { modulus, residues } = kept;
	return residues.reduce((sum, residue) => sum + Math.max(0, Math.ceil((end - residue) / modulus)), 0);
}

/** How many of the segments [first, first + count) are kept. */
export function keptWithin(kept: KeptSegments | undefined, first: number, count: number): number {
	return keptCount(kept, first + count) - keptCount(kept, first);
}

/** Whether all segments of `some` are among `kept`. */
export function includesKept(kept: KeptSegments | undefined, some: KeptSegments | undefined): boolean {
	if (!kept) return true;
	if (!some || some.modulus < kept.modulus) return false;
	return some.residues.every((residue) => kept.residues.includes(residue % kept.modulus));
}

/** Segments that are among `kept` and among `some`, of which there are fewer. */
export function keptOfBoth(kept: KeptSegments | undefined, some: KeptSegments): KeptSegments {
	if (!kept || includesKept(kept, some)) return some;
	if (some.modulus < kept.modulus) return kept;
	return { ...some, residues: some.residues.filter((residue) => kept.residues.includes(residue % kept.modulus)) };
}
