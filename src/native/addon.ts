/**
 * The one import of the native addon. Shapes, units and errors of each function: native/index.d.ts (generated from
 * native/src/addon). Buffers handed in must not change while a call on another thread reads them.
 */
import { PerigeeError } from '../errors.js';

const addon = await import('#addon').catch((error: unknown) => {
	throw new PerigeeError('INTERNAL', 'The native addon is not built. Run: npm run build', { cause: error });
});

export const {
	benchKernel,
	blake3,
	checkBlocksBytes,
	crc32c,
	crc32cBlocks,
	decodeBase64,
	DataLock,
	dropCache,
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
	mine,
	misalignment,
	poraThreshold,
	readRight,
	sectorLeaves,
	simd,
	simdAvailable,
	smallFileRoot,
	transformSeals,
	treeProof,
	treeRoot,
	trimMemory,
	verifyAnswer,
	verifyFileProof,
	verifyFlowProof,
	zeroHash,
} = addon;

export type DataLock = InstanceType<typeof addon.DataLock>;
export type FileTree = InstanceType<typeof addon.FileTree>;
export type {
	FileGeometry,
	FileRoot,
	MineFind,
	MineRange,
	PoraAnswer,
	PoraTerms,
	Verdict,
	SubmissionNode,
	TreeProof,
} from '#addon';
