/** Right calls of the native addon, and what may come in the place of their arguments. */
import {
	checkBlocksBytes,
	crc32c,
	crc32cBlocks,
	FileTree,
	fileGeometry,
	fileRoot,
	flowAppend,
	flowRoot,
	freeMemory,
	gather,
	hashPair,
	hashSegments,
	keccak256,
	misalignment,
	readRight,
	sectorLeaves,
	smallFileRoot,
	treeProof,
	treeRoot,
	verifyFileProof,
	verifyFlowProof,
	zeroHash,
} from '../../src/native/addon.js';
import { BLOCK_BYTES, HASH_BYTES, SEGMENT_BLOCKS, SEGMENT_BYTES } from '../../src/units.js';
import type { Prng } from '../support/prng.js';

export interface AddonCall {
	readonly name: string;
	readonly call: (...args: never[]) => unknown;
	readonly args: (prng: Prng) => unknown[];
}

const GUARD_BYTES = 64;
const GUARD = 0xa5;

/** An array in the middle of memory that is watched. */
function guarded(lengthBytes: number): Uint8Array {
	const room = Math.ceil(lengthBytes / 4) * 4;
	const memory = new Uint8Array(room + 2 * GUARD_BYTES).fill(GUARD);
	return memory.subarray(GUARD_BYTES, GUARD_BYTES + lengthBytes).fill(0);
}

function guardedWords(length: number): Uint32Array {
	const { buffer, byteOffset } = guarded(4 * length);
	return new Uint32Array(buffer, byteOffset, length);
}

/** Whether nobody has written beside an array of `guarded`. */
export function isGuardIntact({ buffer, byteOffset, byteLength }: ArrayBufferView): boolean {
	const before = new Uint8Array(buffer, 0, byteOffset);
	const after = new Uint8Array(buffer, byteOffset + byteLength);
	return before.every((byte) => byte === GUARD) && after.every((byte) => byte === GUARD);
}

function bytes(prng: Prng, most: number): Uint8Array {
	const array = guarded(prng.below(most + 1));
	array.set(prng.bytes(array.length));
	return array;
}

function hashes(prng: Prng, count: number): Uint8Array {
	const array = guarded(count * HASH_BYTES);
	array.set(prng.bytes(array.length));
	return array;
}

const SLAB = new Uint8Array(new SharedArrayBuffer(2 * SEGMENT_BYTES)).fill(7);

function segmentArguments(prng: Prng): unknown[] {
	const count = prng.below(4);
	const [slots, lengths, leaves] = [guardedWords(count), guardedWords(count), guardedWords(count)];
	for (let i = 0; i < count; i++) {
		slots[i] = prng.below(2);
		lengths[i] = 1 + prng.below(3000);
		leaves[i] = prng.pick([12, 16, 1024]);
	}
	if (count > 0 && prng.chance(0.3))
		prng.pick([slots, lengths, leaves])[prng.below(count)] = prng.pick(HOSTILE_NUMBERS);
	return [SLAB, slots, lengths, leaves, guarded(count * HASH_BYTES), guardedWords(count * SEGMENT_BLOCKS)];
}

/** The state of a flow, as a checkpoint may hold it: right or with a length that is not. */
function flow(prng: Prng): Uint8Array {
	const state = guarded(2064);
	const length = prng.chance(0.5) ? BigInt(1 + prng.below(5000)) : BigInt.asUintN(64, prng.pick(HOSTILE_BIGINTS));
	new DataView(state.buffer, state.byteOffset).setBigUint64(8, length, true);
	return state;
}

export const ADDON_CALLS: readonly AddonCall[] = [
	{ name: 'keccak256', call: keccak256, args: (prng) => [bytes(prng, 600)] },
	{ name: 'hashPair', call: hashPair, args: (prng) => [hashes(prng, 1), hashes(prng, 1)] },
	{ name: 'crc32c', call: crc32c, args: (prng) => [bytes(prng, 600)] },
	{
		name: 'crc32cBlocks',
		call: crc32cBlocks,
		args: (prng) => [guarded(prng.below(3 * BLOCK_BYTES)), guardedWords(prng.below(4))],
	},
	{
		name: 'checkBlocksBytes',
		call: checkBlocksBytes,
		args: (prng) => [guarded(prng.below(3 * BLOCK_BYTES)), bytes(prng, 12)],
	},
	{ name: 'hashSegments', call: hashSegments, args: segmentArguments },
	{ name: 'sectorLeaves', call: sectorLeaves, args: (prng) => [bytes(prng, 600), prng.below(20)] },
	{ name: 'treeRoot', call: treeRoot, args: (prng) => [hashes(prng, prng.below(5))] },
	{ name: 'treeProof', call: treeProof, args: (prng) => [hashes(prng, prng.below(5)), prng.below(5)] },
	{ name: 'zeroHash', call: zeroHash, args: (prng) => [prng.below(64)] },
	{ name: 'fileGeometry', call: fileGeometry, args: (prng) => [BigInt(prng.next())] },
	{ name: 'fileRoot', call: fileRoot, args: (prng) => [bytes(prng, 600)] },
	{ name: 'smallFileRoot', call: smallFileRoot, args: (prng) => [bytes(prng, 600), guarded(416)] },
	{ name: 'FileTree.push', call: (roots: never) => new FileTree().push(roots), args: (prng) => [hashes(prng, 3)] },
	{
		name: 'FileTree.finish',
		call: (size: never, data: never) => {
			const tree = new FileTree();
			tree.push(new Uint8Array(HASH_BYTES));
			return tree.finish(size, data);
		},
		args: (prng) => [BigInt(1 + prng.below(600)), bytes(prng, 600)],
	},
	{
		name: 'flowAppend',
		call: flowAppend,
		args: (prng) => [flow(prng), Uint8Array.of(9, 3, prng.pick([0, 255])), hashes(prng, 3)],
	},
	{ name: 'flowRoot', call: flowRoot, args: (prng) => [BigInt(1 << prng.below(30)), hashes(prng, 1)] },
	{
		name: 'verifyFileProof',
		call: verifyFileProof,
		args: (prng) => {
			const steps = prng.below(4);
			const path = guarded(steps).fill(prng.below(2));
			const size = BigInt(prng.next()) * 4096n;
			return [hashes(prng, 1), size, BigInt(prng.below(9)), hashes(prng, 1), hashes(prng, steps + 2), path, true];
		},
	},
	{
		name: 'verifyFlowProof',
		call: verifyFlowProof,
		args: (prng) => {
			const steps = prng.below(4);
			const path = guarded(steps).fill(prng.below(2));
			return [hashes(prng, 1), BigInt(1 << steps), 0n, hashes(prng, 1), hashes(prng, steps + 2), path];
		},
	},
	{
		name: 'gather',
		call: gather,
		args: (prng) => [guarded(600), Array.from({ length: prng.below(4) }, () => bytes(prng, 300))],
	},
	{ name: 'misalignment', call: misalignment, args: (prng) => [bytes(prng, 9), 1 << prng.below(31)] },
	{ name: 'freeMemory', call: freeMemory, args: (prng) => [prng.bytes(9)] },
];

/** Arguments of which one is wrong, so that no read begins: what a begun one writes to must be left alone until its end. */
export function wrongReadArguments(prng: Prng): { readonly call: typeof readRight; readonly args: unknown[] } {
	const args: unknown[] = [0, prng.below(9000), guarded(prng.below(300)), guarded(4)];
	const notWhole = [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, -(2 ** 63), 1n, '0', null, undefined, {}];
	const wrong = [[...notWhole, 2 ** 31], notWhole, [...NO_BYTES, detached()], [...NO_BYTES, guarded(3)]];
	const at = prng.below(args.length);
	args[at] = prng.pick(wrong[at] as unknown[]);
	return { call: readRight, args };
}

const HOSTILE_NUMBERS = [
	-1,
	-0,
	0.5,
	Number.NaN,
	Number.POSITIVE_INFINITY,
	63,
	64,
	65,
	2 ** 31,
	2 ** 32 - 1,
	2 ** 32,
	2 ** 32 + 1,
	2 ** 53 - 1,
	2 ** 53,
	2 ** 63,
	2 ** 64,
	1e308,
	Number.MIN_VALUE,
];

const HOSTILE_BIGINTS = [
	-1n,
	0n,
	1n,
	2n ** 63n - 1n,
	2n ** 63n,
	2n ** 63n + 1n,
	2n ** 64n - 256n,
	2n ** 64n - 1n,
	2n ** 64n,
	2n ** 100n,
	-(2n ** 64n),
];

const NO_BYTES: readonly unknown[] = [
	undefined,
	null,
	true,
	'',
	'text',
	Symbol('text'),
	{},
	[],
	() => 0,
	new Date(0),
	{ length: 32, 0: 1 },
	new Proxy(new Uint8Array(32), {}),
	new ArrayBuffer(32),
	new DataView(new ArrayBuffer(32)),
	new Float64Array(4),
	new Uint16Array(3),
	new BigUint64Array(4),
	new Uint8ClampedArray(32),
	new Int8Array(32),
];

function detached(): Uint8Array {
	const array = new Uint8Array(32);
	structuredClone(array.buffer, { transfer: [array.buffer] });
	return array;
}

/** A view whose memory has become shorter than its place. */
function cutOff(): Uint8Array {
	const options = { maxByteLength: 96 };
	const buffer = Reflect.construct(ArrayBuffer, [64, options]) as ArrayBuffer & { resize(bytes: number): void };
	const array = new Uint8Array(buffer, 32, 32);
	buffer.resize(40);
	return array;
}

/** Anything in the place of argument `at` of right ones. */
export function hostile(prng: Prng, args: readonly unknown[], at: number): unknown {
	switch (prng.below(8)) {
		case 0:
			return prng.pick(NO_BYTES);
		case 1:
			return prng.pick(HOSTILE_NUMBERS);
		case 2:
			return prng.pick(HOSTILE_BIGINTS);
		case 3:
			return prng.chance(0.8) ? prng.bytes(prng.below(70)) : prng.pick([detached, cutOff])();
		case 4:
			return prng.pick([new Uint32Array(prng.below(20)), new Uint8Array(new SharedArrayBuffer(prng.below(70)))]);
		case 5: // the same memory twice
			return prng.pick(args);
		case 6:
			return [prng.pick(NO_BYTES), new Uint8Array(3)];
		default: {
			const right = args[at];
			return right instanceof Uint8Array ? right.subarray(prng.below(40), prng.below(700)) : right;
		}
	}
}
