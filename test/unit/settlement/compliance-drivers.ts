/** Both settlement drivers under real stores, in the one form that the compliance suite asks of a driver. */
import { systemClock } from '../../../src/io/clock.js';
import { systemRandomness } from '../../../src/io/randomness.js';
import { EmbeddedSettlement } from '../../../src/settlement/embedded/embedded-settlement.js';
import { createGenesis } from '../../../src/settlement/embedded/genesis.js';
import { ChainSync } from '../../../src/settlement/evm/chain-sync.js';
import { Endpoints } from '../../../src/settlement/evm/endpoints.js';
import { EvmSettlement } from '../../../src/settlement/evm/evm-settlement.js';
import { Payments } from '../../../src/settlement/evm/payments.js';
import { ViemReader } from '../../../src/settlement/evm/viem-reader.js';
import type { JournalDriver } from '../../../src/settlement/journal.js';
import type { SettlementEvent, Submission } from '../../../src/settlement/settlement.js';
import { bytesOfHex } from '../../../src/units.js';
import { startChain } from '../../support/chain.js';
import { until } from '../../support/chain-store.js';
import type { TestStore, TestStoreOptions, TestStores } from '../../support/test-store.js';
import { hashing } from './support.js';

/** A store that is open, with what its settlement told since. */
export interface OpenedDriver {
	readonly store: TestStore;
	/** In the order in which they came, those of the replay first. */
	readonly events: readonly SettlementEvent[];
}

/** One settlement, whose store is opened and closed as often as a test wants. */
export interface Driver {
	readonly name: string;
	/** `rebuild`: the whole journal is replayed. */
	open(rebuild?: boolean): Promise<OpenedDriver>;
	/** Orders submissions one behind the other. Resolves when the store knows them. Errors: when one is refused. */
	submit(opened: OpenedDriver, submissions: readonly Submission[]): Promise<void>;
	/** Orders them all at once. Resolves once all were answered or refused, as by a store that is closing; tells how many are certain to be there. */
	begin(opened: OpenedDriver, submissions: readonly Submission[]): Promise<number>;
	end(): Promise<void>;
}

export type StartDriver = (stores: TestStores) => Promise<Driver>;

/** Writes down the events of a settlement as its journal takes them. */
function recording<S extends JournalDriver>(settlement: S, events: SettlementEvent[]): S {
	const take = settlement.take.bind(settlement);
	settlement.take = (entry) => {
		const taken = take(entry);
		events.push(...taken);
		return taken;
	};
	return settlement;
}

export const startEmbedded: StartDriver = async (stores) => {
	const dataDir = await stores.newDirectory();
	const choices = { chainId: 7n, blocksPerEpoch: 2, blockIntervalMs: 20, pricePerSector: 0n };
	return {
		name: 'embedded',
		async open(rebuild = false) {
			const events: SettlementEvent[] = [];
			const makeSettlement: TestStoreOptions['makeSettlement'] = (journal) => {
				const genesis = createGenesis(choices, systemClock, systemRandomness);
				return recording(new EmbeddedSettlement({ journal, clock: systemClock, hashing, genesis }), events);
			};
			const store = await stores.open({ clock: systemClock, rebuild, makeSettlement }, dataDir);
			return { store, events };
		},
		async submit({ store }, submissions) {
			for (const submission of submissions) await store.settlement.submit(submission);
		},
		async begin({ store }, submissions) {
			const answers = await Promise.allSettled(submissions.map((submission) => store.settlement.submit(submission)));
			return answers.filter(({ status }) => status === 'fulfilled').length;
		},
		end: () => Promise.resolve(),
	};
};

/** Follows a chain of its own with the real contract. */
export const startEvm: StartDriver = async (stores) => {
	const chain = await startChain();
	const dataDir = await stores.newDirectory();
	const settings = { confirmations: 0, pollMs: 10, pageBlocks: 999 };
	const observer = {
		head: () => undefined,
		advanced: () => undefined,
		reverted: () => undefined,
		trouble: () => undefined,
	};
	return {
		name: 'evm',
		async open(rebuild = false) {
			const events: SettlementEvent[] = [];
			const { flowAddress, url } = chain;
			const nowMs = (): number => Date.now();
			const endpoints = new Endpoints({ urls: [url], timeoutMs: 5000, nowMs });
			const reader = new ViemReader({ endpoints, flowAddress, nowMs });
			const pricePerSector = () => Promise.resolve(chain.price);
			const follower = new ChainSync(reader, systemClock, settings, observer);
			const common = { hashing, follower, nowMs, pricePerSector };
			const options = { ...common, flowAddress: bytesOfHex(flowAddress), startBlock: 1 };
			const makeSettlement: TestStoreOptions['makeSettlement'] = (journal, historyOf) =>
				recording(new EvmSettlement({ ...options, journal, historyOf, payments: new Payments(journal) }), events);
			const store = await stores.open({ clock: systemClock, rebuild, makeSettlement }, dataDir);
			return { store, events };
		},
		async submit({ store }, submissions) {
			for (const submission of submissions) {
				const block = await chain.submitNodes([submission]);
				await until(`block ${block}`, () => store.settlement.flow().blockNumber >= block);
			}
		},
		async begin(_opened, submissions) {
			await chain.submitNodes(submissions);
			return submissions.length;
		},
		end: () => chain.stop(),
	};
};
