/** A flow in a view over memory, without a log: submissions are placed by the rules of the specification and applied. */
import { applyJournalItems } from '../../src/log-layer/apply-journal.js';
import { FlowEdge, type FlowExtent } from '../../src/log-layer/flow-tree.js';
import * as addon from '../../src/native/addon.js';
import { FlowDraft } from '../../src/settlement/flow/flow-draft.js';
import type { PlacedSubmission, SubmissionNode } from '../../src/settlement/settlement.js';
import { type FlowId, type Lsn, rootFromBytes, type TxSeq } from '../../src/units.js';
import { LossyKv } from './lossy-kv.js';
import { emptyMemory, quietView } from './quiet-view.js';

const FLOW = 0 as FlowId;

export class FlowBuilder {
	readonly kv = new LossyKv();
	readonly view = quietView(this.kv);
	readonly placed: PlacedSubmission[] = [];
	readonly #memory = emptyMemory();
	#edge: FlowEdge;
	readonly #flow = new FlowDraft(addon, 1n, new Uint8Array(32));

	private constructor(edge: FlowEdge) {
		this.#edge = edge;
	}

	static async create(): Promise<FlowBuilder> {
		const empty = quietView(new LossyKv());
		return new FlowBuilder(await FlowEdge.at(empty, { flowId: FLOW, lengthSectors: 1n, submissions: 0 }));
	}

	/** The flow after its first `submissions`; by default after all. */
	extent(submissions = this.placed.length): FlowExtent {
		return { flowId: FLOW, lengthSectors: this.placed[submissions - 1]?.lengthAfter ?? 1n, submissions };
	}

	/** Places a submission behind all others; `flowRoot` is what the native code computes. */
	async submit(nodes: readonly SubmissionNode[]): Promise<PlacedSubmission> {
		const before = this.extent();
		this.#flow.append(nodes);
		const after = this.#flow;
		const submission: PlacedSubmission = {
			flowId: FLOW,
			txSeq: this.placed.length as TxSeq,
			lengthBytes: (after.length - after.start) * 256n,
			tags: new Uint8Array(0),
			nodes,
			submitter: new Uint8Array(20).fill(1),
			dataRoot: rootFromBytes(nodes.map((node) => node.root).reduceRight((right, left) => addon.hashPair(left, right))),
			identity: new Uint8Array(32),
			startSector: after.start,
			lengthBefore: before.lengthSectors,
			lengthAfter: after.length,
			flowRoot: addon.flowRoot(after.length, after.frontier),
			timeMs: 0,
			blockNumber: 1,
		};
		await this.#apply(submission);
		this.placed.push(submission);
		return submission;
	}

	/** Forgets what is in memory of the flow's right edge, as a restart does. */
	async restart(): Promise<void> {
		this.#edge = await FlowEdge.at(this.view, this.extent());
	}

	/** Applies everything from `submissions` on again, as a replay from an older checkpoint does. */
	async replayFrom(submissions: number): Promise<void> {
		this.#edge = await FlowEdge.at(this.view, this.extent(submissions));
		for (const submission of this.placed.slice(submissions)) await this.#apply(submission);
	}

	async #apply(submission: PlacedSubmission): Promise<void> {
		const item = { lsn: 1n as Lsn, event: { kind: 'submission', submission } } as const;
		await this.view.change((turn) => applyJournalItems(turn, [item], { ...this.#memory, edge: this.#edge }));
	}
}
