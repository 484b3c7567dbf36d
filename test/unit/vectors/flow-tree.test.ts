import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { flowRootOf } from '../../../src/log-layer/flow-proofs.js';
import { flowRoot, keccak256 } from '../../../src/native/addon.js';
import { bytesOfHex, hexOf, type TxSeq } from '../../../src/units.js';
import { FlowBuilder } from '../../support/flow-builder.js';
import { placedSubmission } from '../../support/placed.js';
import { useTestStores } from '../../support/test-store.js';
import { type FlowStep, readFlowVectors } from '../../support/vectors.js';

const stores = useTestStores();

for (const { name, steps } of readFlowVectors().sequences) {
	describe(`the flow ${name}`, () => {
		const submissions = steps.filter((step): step is FlowStep => step.event === undefined);

		it('begins as the vector says', () => {
			const initial = steps.filter((step) => step.event === 'initial');
			assert.ok(submissions.length > 0);
			for (const { length, root } of initial) assert.equal(hexOf(flowRoot(BigInt(length), new Uint8Array(32))), root);
		});

		for (const restarts of [false, true]) {
			it(`has the places and roots of the vector${restarts ? ', with a restart between all steps' : ''}`, async () => {
				const flow = await FlowBuilder.create();
				for (const step of submissions) {
					if (restarts) await flow.restart();
					const placed = await flow.submit(nodesOf(name, step));
					assert.equal(String(placed.txSeq), String(step.seq));
					assert.equal(String(placed.lengthBefore), step.lengthBefore);
					assert.equal(String(placed.startSector), step.startEntryIndex);
					assert.equal(String(placed.startSector - placed.lengthBefore), step.paddingEntries);
					assert.equal(String(placed.lengthAfter), step.lengthAfter);
					assert.equal(hexOf(placed.flowRoot), step.flowRoot);
					assert.equal(hexOf(await flowRootOf(flow.view, flow.extent())), step.flowRoot);
				}
				await assertAllRoots(flow, submissions);
			});
		}

		it('has the roots of the vector after each part was applied again', async () => {
			const flow = await FlowBuilder.create();
			for (const step of submissions) await flow.submit(nodesOf(name, step));
			for (let from = submissions.length; from >= 0; from--) {
				await flow.replayFrom(from);
				await assertAllRoots(flow, submissions);
			}
		});

		it('has the roots of the vector in a real store, also after restarts and a rebuild', async () => {
			let store = await stores.open();
			for (const step of submissions) {
				const nodes = nodesOf(name, step);
				const lengthBytes = nodes.reduce((sum, node) => sum + (256n << BigInt(node.height)), 0n);
				const submission = { lengthBytes, tags: new Uint8Array(0), nodes, submitter: new Uint8Array(20).fill(1) };
				const placed = placedSubmission(await store.settlement.submit(submission));
				assert.equal(String(placed.startSector), step.startEntryIndex);
				assert.equal(hexOf(store.files.flow().root), step.flowRoot);
				await store.close();
				store = await stores.open({}, store.dataDir);
			}
			await store.close();
			store = await stores.open({ rebuild: true }, store.dataDir);
			for (const step of submissions) {
				const file = await store.files.fileBySeq(step.seq as TxSeq);
				assert.ok(file);
				assert.equal(hexOf(await store.files.flowRoot(file.txSeq)), step.flowRoot);
			}
			await store.close();
		});
	});
}

/** The roots at all historic lengths. */
async function assertAllRoots(flow: FlowBuilder, submissions: readonly FlowStep[]): Promise<void> {
	for (const [index, step] of submissions.entries()) {
		assert.equal(hexOf(await flowRootOf(flow.view, flow.extent(index + 1))), step.flowRoot, `after ${step.seq}`);
	}
}

function nodesOf(name: string, step: FlowStep): { root: Uint8Array; height: number }[] {
	return step.nodes.map(({ root, height }, index) => {
		assert.equal(hexOf(keccak256(Buffer.from(`${name}/${step.seq}/${index}`))), root);
		return { root: bytesOfHex(root), height };
	});
}
