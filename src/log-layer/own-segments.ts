/** Which segments of a content this node is to hold: those of its shard, by the places of its submissions in the flow (spec log-layer §7). */
import type { Shard } from '../config/shard-position.js';
import type { DataRoot } from '../units.js';
import type { HeldContent } from './held-content.js';
import { furtherSeqs } from './root-ranges.js';
import type { RootSubmissions } from './rows.js';
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
		const seqs = [firstSeq, ...(more ? await furtherSeqs(this.#view, root, flowId) : [])];
		const found = await Promise.all(seqs.map((txSeq) => submissionAt(this.#view, flowId, txSeq)));
		return ownSegmentsOfAll(
			this.#shard(),
			found.flatMap((submission) => (submission ? [submission.startSector as bigint] : [])),
		);
	}
}
