/** What the node relies on in a settlement, whichever it is: the same tests for both drivers, and the same flow from the same submissions. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, afterEach, describe, it } from 'node:test';
import { keccak_256 } from '@noble/hashes/sha3.js';
import type { FlowState, PlacedSubmission, SettlementEvent, Submission } from '../../../src/settlement/settlement.js';
import { hexOf, type DataRoot, type TxSeq } from '../../../src/units.js';
import { until } from '../../support/chain-store.js';
import { Prng } from '../../support/prng.js';
import { useTestStores } from '../../support/test-store.js';
import { type Driver, type OpenedDriver, type StartDriver, startEmbedded, startEvm } from './compliance-drivers.js';
import { NaiveFlow, pair, submissionOf } from './support.js';

/** Aligned, gaps, over the borders of segments (vectors `officialRootTest` and `straddle`). */
const SHAPES: readonly (readonly number[])[] = [
	[0],
	[3, 2, 1],
	[7, 6],
	[9, 8],
	[0],
	[10, 7],
	[0],
	[1],
	[11, 10, 8],
	[4, 3, 2, 1],
];

const submissions: readonly Submission[] = SHAPES.map((heights, at) => submissionOf(heights, `shape ${at}`));

/** Shapes that the rules allow. */
function randomSubmissions(seed: number, count: number): readonly Submission[] {
	const prng = new Prng(seed);
	return Array.from({ length: count }, (_, at) => {
		const top = prng.below(11);
		const lower = [top - 1, top - 2, top - 3].filter((height) => height >= 0 && prng.chance(0.5));
		return submissionOf([top, ...lower], `random ${seed}/${at}`);
	});
}

function placedIn(events: readonly SettlementEvent[]): readonly PlacedSubmission[] {
	return events.flatMap((event) => (event.kind === 'submission' ? [event.submission] : []));
}

/** What must be the same with every driver. Block numbers and times are those of the driver. */
function factsOf(placed: PlacedSubmission): Readonly<Record<string, unknown>> {
	const { txSeq, dataRoot, identity, startSector, lengthBefore, lengthAfter, flowRoot, lengthBytes, nodes } = placed;
	const shape = nodes.map(({ root, height }) => `${height} ${hexOf(root)}`);
	const roots = { dataRoot, identity: hexOf(identity), flowRoot: hexOf(flowRoot) };
	return { txSeq, ...roots, startSector, lengthBefore, lengthAfter, lengthBytes, shape };
}

/** The same, worked out without the node's own code. */
function expectedFacts(all: readonly Submission[]): readonly Readonly<Record<string, unknown>>[] {
	const flow = new NaiveFlow();
	return all.map(({ nodes, lengthBytes }, txSeq) => {
		const lengthBefore = flow.length;
		const startSector = flow.add(nodes);
		const roots = nodes.map(({ root }) => root);
		const dataRoot = hexOf(roots.reduceRight((right, left) => pair(left, right)));
		const identity = hexOf(keccak_256(Buffer.concat(roots)));
		const shape = nodes.map(({ root, height }) => `${height} ${hexOf(root)}`);
		const lengthAfter = flow.length;
		const flowRoot = hexOf(flow.root());
		return { txSeq, dataRoot, identity, flowRoot, startSector, lengthBefore, lengthAfter, lengthBytes, shape };
	});
}

/** Without what goes on by itself. */
function standing({ lengthSectors, root, submissions: count, frontier }: FlowState): Readonly<Record<string, unknown>> {
	return { lengthSectors, root: hexOf(root), count, frontier: hexOf(frontier) };
}

function compliance(name: string, start: StartDriver): void {
	describe(`the settlement ${name}`, () => {
		const stores = useTestStores();
		let driver: Driver;
		let opened: OpenedDriver;
		beforeEach(async () => {
			driver = await start(stores);
			opened = await driver.open();
		});
		afterEach(async () => {
			await opened.store.close();
			await driver.end();
		});

		const reopen = async (rebuild = false): Promise<void> => {
			await opened.store.close();
			opened = await driver.open(rebuild);
		};
		const flow = (): FlowState => opened.store.settlement.flow();
		const placed = (): readonly PlacedSubmission[] => placedIn(opened.events);

		/** Flow and view have exactly these submissions. */
		async function assertHas(all: readonly Submission[]): Promise<void> {
			const expected = expectedFacts(all);
			const last = expected.at(-1);
			assert.equal(flow().submissions, all.length);
			if (last) assert.deepEqual([hexOf(flow().root), flow().lengthSectors], [last['flowRoot'], last['lengthAfter']]);
			for (const [txSeq, facts] of expected.entries()) {
				const file = await opened.store.files.fileBySeq(txSeq as TxSeq);
				assert.deepEqual([file?.root, file?.startSector], [facts['dataRoot'], facts['startSector']]);
				assert.equal(hexOf(await opened.store.files.flowRoot(txSeq as TxSeq)), facts['flowRoot']);
			}
			assert.equal(await opened.store.files.fileBySeq(all.length as TxSeq), undefined);
		}

		it('begins with a flow of the one sector that no file has', () => {
			assert.deepEqual([flow().lengthSectors, flow().submissions], [1n, 0]);
			assert.equal(hexOf(flow().root), hexOf(new NaiveFlow().root()));
		});

		it('gives numbers in order, places by the rules, data roots and flow roots', async () => {
			const all = [...submissions, ...randomSubmissions(1, 20)];
			await driver.submit(opened, all);
			assert.deepEqual(placed().map(factsOf), expectedFacts(all));
			await assertHas(all);
		});

		it('tells each submission once and in order, when many come at once', async () => {
			const all = randomSubmissions(2, 60);
			await driver.begin(opened, all);
			await until('all submissions', () => flow().submissions === all.length);
			const sequence = Array.from({ length: all.length }, (_, at) => at);
			assert.deepEqual(
				placed().map(({ txSeq }) => txSeq),
				sequence,
			);
			const told = all.map((_, at) => placed()[at] as Submission);
			await assertHas(told);
			const rootsOf = (list: readonly Submission[]): Set<string> =>
				new Set(list.map(({ nodes }) => nodes.map(({ root }) => hexOf(root)).join()));
			assert.deepEqual(rootsOf(told), rootsOf(all));
		});

		it('has blocks that go up, each with a hash of its own, times that do not go back, and epochs one by one', async () => {
			const hashes = new Set<string>();
			let last = -1;
			for (const submission of submissions) {
				await driver.submit(opened, [submission]);
				const { blockNumber, blockHash } = flow();
				assert.ok(blockNumber > last, `${blockNumber} follows ${last}`);
				last = blockNumber;
				hashes.add(hexOf(blockHash));
			}
			assert.equal(hashes.size, submissions.length);
			for (const [at, { blockNumber, timeMs }] of placed().entries()) {
				const before = placed()[at - 1];
				if (before) assert.ok(blockNumber > before.blockNumber && timeMs >= before.timeMs);
			}
			const epochs = opened.events.flatMap((event) => (event.kind === 'epoch' ? [event.context.epoch] : []));
			for (const [at, epoch] of epochs.entries()) assert.equal(epoch, (epochs[0] ?? 0) + at);
		});

		it('goes on exactly after a restart at any point', async () => {
			for (const [at, submission] of submissions.entries()) {
				await driver.submit(opened, [submission]);
				const before = flow();
				await reopen(at % 3 === 2);
				assert.deepEqual(standing(flow()), standing(before));
				assert.ok(flow().blockNumber >= before.blockNumber, 'blocks do not go back');
			}
			await assertHas(submissions);
		});

		it('tells a replay the same facts as it told when they came', async () => {
			await driver.submit(opened, submissions);
			const [live, { stateHash }] = [placed(), flow()];
			await reopen(true);
			assert.deepEqual(placed(), live);
			assert.equal(hexOf(flow().stateHash), hexOf(stateHash));
			await assertHas(submissions);
		});

		it('says who it is, the same after a restart', async () => {
			const told = (): readonly unknown[] => {
				const { flowAddress, ...identity } = opened.store.settlement.identity();
				const { chainId, flowAddress: address } = opened.store.files.network();
				return [identity, hexOf(flowAddress), chainId, hexOf(address)];
			};
			const { driver: kind, flowAddress, chainId } = opened.store.settlement.identity();
			assert.deepEqual([kind, flowAddress.length], [name, 20]);
			const before = told();
			assert.deepEqual(before.slice(2), [chainId, hexOf(flowAddress)]);
			await reopen();
			assert.deepEqual(told(), before);
			assert.equal(opened.store.settlement.trouble?.(), undefined);
		});

		it('takes the same root twice, as two submissions at two places', async () => {
			const twice = [submissionOf([2], 'twice'), submissionOf([0], 'between'), submissionOf([2], 'twice')];
			await driver.submit(opened, twice);
			await assertHas(twice);
			const [first, , second] = placed();
			assert.deepEqual([first?.dataRoot, first?.identity], [second?.dataRoot, second?.identity]);
			assert.notEqual(first?.startSector, second?.startSector);
			const file = await opened.store.files.fileByRoot(first?.dataRoot as DataRoot);
			assert.ok(file);
		});

		const fits = submissionOf([3, 1]);
		const wrong: readonly (readonly [string, Submission])[] = [
			['no nodes', { ...fits, nodes: [] }],
			['no bytes', { ...fits, lengthBytes: 0n }],
			['heights that rise', { ...fits, nodes: fits.nodes.toReversed() }],
			['equal heights', { ...submissionOf([3, 3]), lengthBytes: 4096n }],
			['heights too far apart', submissionOf([5, 1])],
			['more bytes than room', { ...fits, lengthBytes: fits.lengthBytes + 1n }],
			['more room than bytes', { ...fits, lengthBytes: 256n }],
		];
		it('refuses what breaks the rules, and nothing changes by it', async () => {
			await driver.submit(opened, [submissionOf([1], 'before')]);
			for (const [what, submission] of wrong) {
				const before = standing(flow());
				await assert.rejects(driver.submit(opened, [submission]), what);
				assert.deepEqual(standing(flow()), before, what);
			}
			await driver.submit(opened, [fits]);
			await assertHas([submissionOf([1], 'before'), fits]);
			await reopen(true);
			await assertHas([submissionOf([1], 'before'), fits]);
		});

		it('closed while submissions are under way has all that it answered, without holes', async () => {
			let known = 0;
			for (let round = 0; round < 3; round++) {
				const all = randomSubmissions(10 + round, 30);
				const [answered] = await Promise.all([driver.begin(opened, all), opened.store.close()]);
				opened = await driver.open();
				await until('what was answered', () => flow().submissions >= known + answered);
				known = flow().submissions;
			}
			await reopen(true);
			assert.deepEqual(placed().length, known);
			await assertHas(placed());
		});
	});
}

compliance('embedded', startEmbedded);
compliance('evm', startEvm);

describe('the same submissions under both settlements', () => {
	const stores = useTestStores();
	const drivers: Driver[] = [];
	before(async () => {
		drivers.push(await startEmbedded(stores), await startEvm(stores));
	});
	after(() => Promise.all(drivers.map((driver) => driver.end())));

	it('are at the same places of the same flow', async () => {
		const all = [...submissions, ...randomSubmissions(3, 40)];
		const facts: (readonly unknown[])[] = [];
		for (const driver of drivers) {
			const opened = await driver.open();
			await driver.submit(opened, all);
			facts.push([placedIn(opened.events).map(factsOf), standing(opened.store.settlement.flow())]);
			await opened.store.close();
		}
		assert.deepEqual(facts[0], facts[1]);
	});
});
