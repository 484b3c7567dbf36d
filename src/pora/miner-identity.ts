/** Which miner this store mines for: the configured one, the one it has, or a new one (spec pora-and-contracts §2.1). */
import { PerigeeError } from '../errors.js';
import type { MinerSetting } from '../log-layer/miner-setting.js';
import type { MiningSettlement } from '../settlement/mining.js';

export interface MinerIdentity {
	/** 32 bytes. */
	readonly minerId: Uint8Array;
	/** 20 bytes. */
	readonly beneficiary: Uint8Array;
}

export interface IdentityObserver {
	/** A new miner was registered. */
	registered(minerId: Uint8Array): void;
	/** The store mines for another one than before: all that is sealed is sealed anew. */
	changed(before: Uint8Array, now: Uint8Array): void;
}

/** Undefined: the settlement does not know the id. Errors: those of the settlement and of Journal.putSettings. */
export async function findIdentity(
	mining: MiningSettlement,
	setting: MinerSetting,
	configured: Uint8Array | undefined,
	observer: IdentityObserver,
): Promise<MinerIdentity | undefined> {
	const stored = setting.current;
	let minerId = configured ?? stored;
	if (!minerId) {
		minerId = await mining.register();
		if (minerId.every((byte) => byte === 0)) throw new PerigeeError('INTERNAL', 'the settlement gave no miner id');
		observer.registered(minerId);
	}
	if (!stored || Buffer.compare(stored, minerId) !== 0) {
		await setting.change(minerId);
		if (stored) observer.changed(stored, minerId);
	}
	const beneficiary = await mining.beneficiary(minerId);
	return beneficiary && { minerId, beneficiary };
}
