/** What a sealer does to a store while it runs, and what must be left of it: every answered copy, unless it was written over or dropped. */
import type { Store } from '../../src/log-layer/store.js';
import { logChecksums } from '../../src/log-layer/log-checksums.js';
import { transformSeals } from '../../src/native/addon.js';
import { BLOCK_BYTES, HASH_BYTES, SEGMENT_BLOCKS, SEGMENT_BYTES, SEGMENT_SECTORS } from '../../src/units.js';
import type { Prng } from '../support/prng.js';
import type { Oracle } from './oracle.js';
import type { SimulatedMachine } from './simulated-machine.js';
import { Violation } from './violation.js';

/** There is no copy. */
const NONE = 'none';
const SECTORS = BigInt(SEGMENT_SECTORS);

/** What may be there of flow segments: the ids of miners, of which each copy has its own. */
export class SealedStates {
	readonly #states = new Map<bigint, Set<string>>();
	readonly #busy = new Set<bigint>();

	fork(): SealedStates {
		const copy = new SealedStates();
		for (const [index, states] of this.#states) copy.#states.set(index, new Set(states));
		return copy;
	}

	/** Undefined: somebody else is at it. */
	begin(index: bigint, state: string): (() => void) | undefined {
		if (this.#busy.has(index)) return undefined;
		this.#busy.add(index);
		this.of(index).add(state);
		return () => this.#states.set(index, new Set([state]));
	}

	ended(index: bigint): void {
		this.#busy.delete(index);
	}

	of(index: bigint): Set<string> {
		const states = this.#states.get(index) ?? new Set([NONE]);
		this.#states.set(index, states);
		return states;
	}

	get indices(): readonly bigint[] {
		return [...this.#states.keys()];
	}

	/** A new process knows nothing of what the last one was at. */
	found(index: bigint, state: string): void {
		this.#busy.delete(index);
		this.#states.set(index, new Set([state]));
	}
}

/** Seals a flow segment as far as it is held, or drops its copy. */
export async function sealSomething(
	machine: SimulatedMachine,
	store: Store,
	oracle: Oracle,
	prng: Prng,
): Promise<void> {
	const segments = Number(store.files.flow().lengthSectors / SECTORS);
	if (segments === 0) return;
	const index = BigInt(prng.below(segments));
	const isDrop = prng.chance(0.2);
	const minerId = prng.bytes(HASH_BYTES);
	const answered = oracle.sealed.begin(index, isDrop ? NONE : Buffer.from(minerId).toString('hex'));
	if (!answered) return;
	try {
		if (isDrop) await store.sealed.drop(index);
		else await seal(store, index, minerId);
		if (!machine.io.crashed) answered();
	} finally {
		// Whoever hears nothing any more was not answered.
		if (!machine.io.crashed) oracle.sealed.ended(index);
	}
}

async function seal(store: Store, index: bigint, minerId: Uint8Array): Promise<void> {
	const plain = await store.sealed.plain(index);
	const bytes = Buffer.alloc(SEGMENT_BYTES);
	await plain.fill(bytes);
	transformSeals(bytes, true, minerId, digestsOf(minerId), index * SECTORS);
	for (let at = 0; at < SEGMENT_BLOCKS; at++)
		if (((plain.seals >> BigInt(at)) & 1n) === 0n) bytes.fill(0, at * BLOCK_BYTES, (at + 1) * BLOCK_BYTES);
	const contexts = [{ digest: minerId, endSector: (index + 1n) * SECTORS }];
	const blockCrcs = logChecksums.blockCrcs(bytes);
	await store.sealed.write([{ plain, minerId, seals: plain.seals, contexts, bytes, blockCrcs }]);
}

/** A miner's own id stands for the context of all its seals. */
function digestsOf(minerId: Uint8Array): Buffer {
	return Buffer.concat(Array.from({ length: SEGMENT_BLOCKS }, () => minerId));
}

/** Each flow segment has a copy that somebody may have left, and its bytes are right. */
export async function verifySealed(store: Store, oracle: Oracle): Promise<void> {
	for (const index of oracle.sealed.indices) {
		const [copy] = await store.sealed.find([index]);
		const state = copy ? Buffer.from(copy.minerId).toString('hex') : NONE;
		const states = oracle.sealed.of(index);
		if (!states.has(state))
			throw new Violation(`flow segment ${index} is sealed by ${state}, not ${[...states].join(' or ')}`);
		oracle.sealed.found(index, state);
		if (!copy) continue;
		const bytes = await store.sealed.read(copy);
		const plain = await store.sealed.plain(index);
		// Files that went meanwhile are in it no more.
		if (Buffer.compare(plain.content, copy.content) !== 0) continue;
		const expected = Buffer.alloc(SEGMENT_BYTES);
		await plain.fill(expected);
		transformSeals(bytes, false, copy.minerId, digestsOf(copy.minerId), index * SECTORS);
		for (let at = 0; at < SEGMENT_BLOCKS; at++) {
			const block = [at * BLOCK_BYTES, (at + 1) * BLOCK_BYTES] as const;
			if (((copy.seals >> BigInt(at)) & 1n) === 1n && !bytes.subarray(...block).equals(expected.subarray(...block)))
				throw new Violation(`seal ${at} of flow segment ${index} holds other bytes`);
		}
	}
}
