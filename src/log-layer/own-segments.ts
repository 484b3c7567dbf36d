/** Which segments of a content this node is to hold: those of its shard, by the places of its submissions in the flow (spec log-layer §7). */
import type { Shard } from '../config/shard-position.js';
import { LIMITS } from '../limits.js';
import type { DataRoot, FlowId, TxSeq } from '../units.js';
import type { HeldContent } from './held-content.js';
import { rowKeys, type RootSubmissions } from './rows.js';
import { ownSegmentsOfAll, type KeptSegments } from './shard.js';
import { submissionAt } from './submissions.js';
import type { View } from './view.js';

export class OwnSegments {
	readonly #view: View;
	readonly #held: HeldContent;
	readonly #shard: () => Shard;

	constructor(view: View, held: HeldContent, shard: () => Shard) {
		this.#view = view;
		this.#held = held;
		this.#shard = shard;
	}

	/**
	 * Undefined: all of them, without parts. That is also so while nothing is submitted, for where it will lie is not known, and for content that is held here
	 * whole and damaged: what heals it must not take the rest away.
	 */
	async ofRoot(root: DataRoot): Promise<KeptSegments | undefined> {
		if (this.#shard().count === 1) return undefined;
		const { object, submissions } = (await this.#held.rootRow(root)) ?? {};
		if (!submissions || (object && !(await this.#held.holding(object)).kept)) return undefined;
		return this.ofSubmissions(root, submissions);
	}

	/** The same by the submissions alone. */
	async ofSubmissions(root: DataRoot, { flowId, firstSeq, more }: RootSubmissions): Promise<KeptSegments | undefined> {
		const seqs = [firstSeq, ...(more ? await this.#furtherSeqs(root, flowId) : [])];
		const found = await Promise.all(seqs.map((txSeq) => submissionAt(this.#view, flowId, txSeq)));
		return ownSegmentsOfAll(
			this.#shard(),
			found.flatMap((submission) => (submission ? [submission.startSector as bigint] : [])),
		);
	}

	/** The oldest of them. */
	async #furtherSeqs(root: DataRoot, flowId: FlowId): Promise<readonly TxSeq[]> {
		const seqs: TxSeq[] = [];
		const from = rowKeys.rootSeq(root, flowId, 0 as TxSeq);
		const to = rowKeys.rootSeq(root, flowId, Number.MAX_SAFE_INTEGER as TxSeq);
		for await (const rows of this.#view.scan({ from, to, limitRows: LIMITS.keptResidues }))
			for (const { key } of rows) seqs.push(Number(Buffer.from(key).readBigUInt64BE(37)) as TxSeq);
		return seqs;
	}
}
