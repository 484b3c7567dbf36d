/** A miner that keeps a whole small flow sealed in one file, and finds answers in it: what the node does, the short way. */
import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import {
	fileRoot,
	mine,
	poraThreshold,
	transformSeals,
	type MineRange,
	type PoraAnswer,
} from '../../src/native/addon.js';
import { wordOf } from '../../src/pora/range.js';
import type { MiningWork, SealOwner } from '../../src/settlement/mining.js';
import type { Submission } from '../../src/settlement/settlement.js';
import { BLOCK_BYTES, SECTOR_BYTES, SEGMENT_BYTES, SEGMENT_SECTORS } from '../../src/units.js';
import { NaiveFlow } from './naive-flow.js';
import type { Prng } from './prng.js';

const SEAL_SECTORS = 16;
const ALL_SEALS = 0xffff_ffff_ffff_ffffn;

export interface PlacedContent {
	/** First sector in the flow. */
	readonly start: number;
	readonly content: Uint8Array;
}

export function submissionOfContent(content: Uint8Array): Submission {
	const { nodes } = fileRoot(content);
	return { lengthBytes: BigInt(content.length), tags: new Uint8Array(0), nodes, submitter: new Uint8Array(20).fill(1) };
}

export interface MineQuestion {
	readonly work: MiningWork;
	/** 32 bytes. */
	readonly minerId: Uint8Array;
	readonly contents: readonly PlacedContent[];
	readonly ownerOf: (lastSector: bigint) => Promise<SealOwner | undefined>;
	/** Where the sealed flow is written. */
	readonly path: string;
	readonly prng: Prng;
}

/** An answer that the rules should take. */
export async function mineAnswer(question: MineQuestion): Promise<PoraAnswer> {
	const { work, minerId, ownerOf, path, prng } = question;
	const { context } = work;
	const loads = Number(context.flowLength) / SEGMENT_SECTORS;
	const contents = question.contents.filter(({ start }) => BigInt(start) < context.flowLength);
	const tree = new NaiveFlow(Number(context.flowLength), contents);
	assert.ok(tree.root.equals(context.flowRoot), 'the flow of the context');
	const sealed = Buffer.alloc(Math.floor(loads) * SEGMENT_BYTES);
	for (const { start, content } of contents) {
		const at = start * SECTOR_BYTES;
		if (at < sealed.length) sealed.set(content.subarray(0, sealed.length - at), at);
	}
	const owners: SealOwner[] = [];
	for (let seal = 0; seal < sealed.length / BLOCK_BYTES; seal++) {
		const owner = await ownerOf(BigInt((seal + 1) * SEAL_SECTORS - 1));
		assert.ok(owner);
		owners.push(owner);
	}
	transformSeals(sealed, true, minerId, Buffer.concat(owners.map(({ digest }) => digest)), 0n);
	const range: MineRange = {
		startPosition: 0n,
		mineLength: BigInt(Math.floor(loads) * SEGMENT_SECTORS),
		shardId: 0n,
		shardMask: ALL_SEALS,
	};
	const places = Buffer.from(new SharedArrayBuffer(16 * Math.floor(loads)));
	for (let load = 0; load < Math.floor(loads); load++) {
		places.writeBigUInt64LE(BigInt(load * SEGMENT_BYTES), 16 * load);
		places.writeBigUInt64LE(load === 0 ? ALL_SEALS - 1n : ALL_SEALS, 16 * load + 8);
	}
	const file = await open(path, 'w+');
	try {
		await file.write(sealed);
		const threshold = poraThreshold(wordOf(work.poraTarget), context.flowLength, 1n);
		const task = { minerId, subtaskDigest: work.subtaskDigest, range, threshold };
		const [find] = mine(task, prng.bytes(32), 10_000, places, Uint32Array.of(file.fd)).finds;
		assert.ok(find, 'ten seconds of mining find something');
		const sector = Number(find.recallPosition);
		return {
			contextDigest: context.digest,
			nonce: find.nonce,
			minerId,
			range,
			recallPosition: find.recallPosition,
			sealOffset: find.sealOffset,
			sealedContextDigest: (owners[sector / SEAL_SECTORS] as SealOwner).digest,
			sealedData: find.sealedData,
			merkleProof: Buffer.concat(tree.lemma(sector).slice(1, -1).slice(4)),
		};
	} finally {
		await file.close();
	}
}
