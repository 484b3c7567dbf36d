/** Which part of the flow a miner goes over, and what is good enough there (spec pora-and-contracts §2.4, §2.5). */
import type { Shard } from '../config/shard-position.js';
import { poraThreshold, type MineRange } from '../native/addon.js';
import type { MiningWork } from '../settlement/mining.js';
import { HASH_BYTES, SEGMENT_SECTORS } from '../units.js';

/** Sectors that one shard mines at most: 8 TiB. */
const MOST_SECTORS = 2n ** 35n;
/** Where a range may begin: each 8 GiB. */
const PRICING_SECTORS = 2n ** 25n;
const SECTORS = BigInt(SEGMENT_SECTORS);

/** The contract takes one length alone; a start beyond 0 only where the flow is longer than that. */
export function mineRange(flowLength: bigint, { id, count }: Shard, startSector: bigint): MineRange {
	const minable = (flowLength / SECTORS) * SECTORS;
	const most = MOST_SECTORS * BigInt(count);
	const mineLength = minable < most ? minable : most;
	const latest = minable - mineLength;
	const start = startSector < latest ? startSector : latest;
	return {
		startPosition: (start / PRICING_SECTORS) * PRICING_SECTORS,
		mineLength,
		shardId: BigInt(id),
		shardMask: BigInt.asUintN(64, ~BigInt(count - 1)),
	};
}

/** 32 bytes, big-endian. */
export function thresholdOf({ poraTarget, context }: MiningWork, { count }: Shard): Uint8Array {
	return poraThreshold(wordOf(poraTarget), context.flowLength, BigInt(count));
}

/** 32 bytes, big-endian. */
export function wordOf(value: bigint): Uint8Array {
	const bytes = Buffer.alloc(HASH_BYTES);
	for (let at = HASH_BYTES - 8, rest = value; at >= 0; at -= 8, rest >>= 64n)
		bytes.writeBigUInt64BE(BigInt.asUintN(64, rest), at);
	return bytes;
}
