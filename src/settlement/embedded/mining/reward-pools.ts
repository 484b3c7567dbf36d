/**
 * What the fees of uploads become (spec pora-and-contracts §4.5, §4.7): spread over the pricing chunks that they fill, released over time once a chunk is full,
 * and half of what is released goes to each answer that proves data of the chunk.
 */
export const PRICING_SECTORS = 2n ** 25n;

/** Of one pricing chunk; amounts in the ledger's smallest unit. */
export interface RewardPool {
	readonly locked: bigint;
	readonly claimable: bigint;
	readonly distributed: bigint;
	/** Seconds since 1970; 0: the chunk is not full yet. */
	readonly startSeconds: bigint;
}

/** By the index of the pricing chunk. Never changed, only replaced. */
export type RewardPools = ReadonlyMap<bigint, RewardPool>;

export interface Fee {
	/** Sectors of the flow before the upload, its gap, and the sectors that are paid for. */
	readonly lengthBefore: bigint;
	readonly padding: bigint;
	readonly upload: bigint;
	readonly pricePerSector: bigint;
}

/** What a chunk gets, and whether it is full by it. */
export interface PoolShare {
	readonly index: bigint;
	readonly amount: bigint;
	readonly isFull: boolean;
}

const EMPTY: RewardPool = { locked: 0n, claimable: 0n, distributed: 0n, startSeconds: 0n };

/** The shares of the pricing chunks in the fee of one upload, in order. */
export function sharesOf({ lengthBefore, padding, upload, pricePerSector }: Fee, bonus = 0n): readonly PoolShare[] {
	const base = pricePerSector * upload;
	const padPart = (base * padding) / (upload + padding);
	return [
		...(padding > 0n ? filled(lengthBefore, padding, padPart) : []),
		...filled(lengthBefore + padding, upload, base - padPart + bonus),
	];
}

/** `value` over `sectors` from `before` on. */
function filled(before: bigint, sectors: bigint, value: bigint): readonly PoolShare[] {
	const per = (value * PRICING_SECTORS) / sectors;
	const end = before + sectors;
	const first = before / PRICING_SECTORS;
	const last = (end - 1n) / PRICING_SECTORS;
	const isLastFull = end === (last + 1n) * PRICING_SECTORS;
	if (first === last) return [{ index: first, amount: value, isFull: isLastFull }];
	const amountOf = (part: bigint): bigint => (per * part) / PRICING_SECTORS;
	const shares: PoolShare[] = [
		{ index: first, amount: amountOf(PRICING_SECTORS - (before % PRICING_SECTORS)), isFull: true },
	];
	for (let index = first + 1n; index < last; index++) shares.push({ index, amount: per, isFull: true });
	shares.push({ index: last, amount: amountOf(end - last * PRICING_SECTORS), isFull: isLastFull });
	return shares;
}

export function withShares(pools: RewardPools, shares: readonly PoolShare[], nowSeconds: bigint): RewardPools {
	const next = new Map(pools);
	for (const { index, amount, isFull } of shares) {
		const pool = next.get(index) ?? EMPTY;
		const startSeconds = isFull ? nowSeconds : pool.startSeconds;
		// Chunks without fees need no entry.
		if (pool.locked + amount > 0n) next.set(index, { ...pool, locked: pool.locked + amount, startSeconds });
	}
	return next;
}

/** What is released by now, and half of what is claimable then: the pool after the answer, and its part. */
export function claimed(
	pool: RewardPool,
	nowSeconds: bigint,
	releaseSeconds: bigint,
): { readonly pool: RewardPool; readonly released: bigint; readonly paid: bigint } {
	const { locked, claimable, distributed, startSeconds } = pool;
	const total = locked + claimable + distributed;
	const elapsed = startSeconds === 0n ? 0n : nowSeconds - startSeconds;
	const due = (total * elapsed) / releaseSeconds;
	const shouldBe = due < total ? due : total;
	const open = shouldBe - claimable - distributed;
	const released = open > 0n ? open : 0n;
	const paid = (claimable + released) / 2n;
	const after = {
		...pool,
		locked: locked - released,
		claimable: claimable + released - paid,
		distributed: distributed + paid,
	};
	return { pool: after, released, paid };
}
