import { randomBytes } from 'node:crypto';

/** Randomness as a constructor argument, so that a seed replays a test. */
export interface Randomness {
	bytes(count: number): Uint8Array;
}

export const systemRandomness: Randomness = { bytes: (count) => randomBytes(count) };
