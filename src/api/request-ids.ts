import type { Randomness } from '../io/randomness.js';

/** Ids that differ between starts of a node, cheap to make. */
export function requestIds(randomness: Randomness): () => string {
	const prefix = Buffer.from(randomness.bytes(6)).toString('hex');
	let count = 0;
	return () => `${prefix}-${(count++).toString(36)}`;
}
