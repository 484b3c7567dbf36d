/** Segments of an object with their stored proofs, as a client would send them: so they pass the same checks on their way into another object. */
import { type ErrorCode, PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import { bytesOfHex, SEGMENT_BYTES } from '../units.js';
import type { ObjectReader } from './object-reader.js';
import type { ProvedSegment } from './proved-segment.js';
import type { RootedObject } from './rows.js';
import type { SegmentSet } from './segment-set.js';
import type { KeptSegments } from './shard.js';
import { storedProof } from './stored-proofs.js';
import type { View } from './view.js';

const UNREADABLE: ReadonlySet<ErrorCode> = new Set(['DATA_DAMAGED', 'READ_FAILED', 'NOT_HELD']);

/** Of the segments in `part` those that `into` has not, a few at a time; one that cannot be read or proved is left out. Errors: those of the view. */
export async function* segmentCopies(
	{ view, reader }: { readonly view: View; readonly reader: ObjectReader },
	object: RootedObject,
	{ modulus, residues }: KeptSegments,
	into: SegmentSet,
): AsyncGenerator<readonly ProvedSegment[], void, undefined> {
	const { root, objectId, sizeBytes } = object;
	let copies: ProvedSegment[] = [];
	for (const residue of residues) {
		for (let index = residue; index < into.segments; index += modulus) {
			if (into.has(index)) continue;
			const proof = await storedProof(view, objectId, BigInt(sizeBytes), bytesOfHex(root), index);
			const from = index * SEGMENT_BYTES;
			const to = Math.min(from + SEGMENT_BYTES, sizeBytes);
			const bytes = proof && (await reader.small(object, from, to).catch(unlessUnreadable));
			if (!proof || !bytes) continue;
			copies.push({ root, sizeBytes, index, proof, copyTo: (whole) => filled(whole, bytes) });
			if (copies.length < LIMITS.hashTaskSegments) continue;
			yield copies;
			copies = [];
		}
	}
	if (copies.length > 0) yield copies;
}

function unlessUnreadable(error: unknown): undefined {
	if (!(error instanceof PerigeeError && UNREADABLE.has(error.code))) throw error;
}

/** What is behind the end of the file is zero. */
function filled(whole: Uint8Array, bytes: Uint8Array): void {
	whole.set(bytes);
	whole.fill(0, bytes.length);
}
