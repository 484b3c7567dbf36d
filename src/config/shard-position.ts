/** Which shard of the flow a node has, as operators write it: `id/count` (spec log-layer §7). */
import { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';

/** Of the segments of the flow those whose number leaves `id` when divided by `count`. */
export interface Shard {
	readonly id: number;
	/** A power of two, above `id`. */
	readonly count: number;
}

/** Of a node that owns every segment. */
export const WHOLE_FLOW: Shard = { id: 0, count: 1 };

/** Errors: CONFIG_INVALID. */
export function parseShard(text: string): Shard {
	const [id, count] = (/^(\d{1,10})\/(\d{1,10})$/.exec(text)?.slice(1) ?? []).map(Number);
	const isPower = count !== undefined && Number.isInteger(Math.log2(count)) && count <= LIMITS.shards;
	if (id === undefined || !isPower || id >= count)
		throw new PerigeeError(
			'CONFIG_INVALID',
			`"${text}" is no position of a shard, like 0/2: a number below the count of shards, which is a power of two up to ${LIMITS.shards}`,
		);
	return { id, count };
}

export function shardText({ id, count }: Shard): string {
	return `${id}/${count}`;
}
