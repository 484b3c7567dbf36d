/** The mining side of a settlement whose epochs a test makes: contexts, owners and answers stand still until it says otherwise. */
import { keccak256 } from '../../src/native/addon.js';
import type { PoraAnswer } from '../../src/native/addon.js';
import type { AnswerOutcome, MiningSettlement, SealOwner, WorkNow } from '../../src/settlement/mining.js';

export interface TestMining extends MiningSettlement {
	account: Uint8Array | undefined;
	/** Ascending, without gaps; what lies behind the last one has no owner. */
	owners: SealOwner[];
	now: WorkNow;
	readonly answers: PoraAnswer[];
	outcome: (answer: PoraAnswer) => AnswerOutcome;
}

export const MINER = keccak256(Buffer.from('a miner'));
export const BENEFICIARY = new Uint8Array(20).fill(7);

/** A context of its own for each `salt`. */
export function ownerOf(start: bigint, end: bigint, salt = 0): SealOwner {
	return { start, end, digest: keccak256(Buffer.from(`${start} ${end} ${salt}`)) };
}

export function testMining(): TestMining {
	const mining: TestMining = {
		account: BENEFICIARY,
		owners: [],
		now: { none: 'noContext', message: 'no epoch has begun' },
		answers: [],
		outcome: () => ({ kind: 'accepted', epochIndex: 0n, reward: 5n, gasSpent: 0n }),
		work: () => Promise.resolve(mining.now),
		sealableLength: () => Promise.resolve(mining.owners.at(-1)?.end ?? 0n),
		sealOwner: (last) => Promise.resolve(mining.owners.find(({ start, end }) => start <= last && last < end)),
		beneficiary: () => Promise.resolve(BENEFICIARY),
		register: () => Promise.resolve(MINER),
		answer(answer) {
			mining.answers.push(answer);
			return Promise.resolve(mining.outcome(answer));
		},
		rewards: () => Promise.resolve({ waiting: 5n, credited: 5n }),
	};
	return mining;
}
