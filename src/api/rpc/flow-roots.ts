/**
 * Which flow root belongs to which length of the flow, for questions about a root that was told before (spec log-layer §4.4, getSectorProof). A
 * proof at any length follows from the submissions; a root alone does not say which length it is of, so the last ones that were told are kept.
 */
import { LIMITS } from '../../limits.js';
import type { FlowInfo } from '../../log-layer/types.js';
import { hexOf, type TxSeq } from '../../units.js';

export class FlowRoots {
	/** Root in hexadecimal → submissions in the flow; in the order of the last telling. */
	readonly #known = new Map<string, number>();

	/** The flow as it stands is told to somebody. */
	told({ root, submissions }: FlowInfo): void {
		const key = hexOf(root);
		this.#known.delete(key);
		this.#known.set(key, submissions);
		const [oldest] = this.#known.keys();
		if (this.#known.size > LIMITS.rpcFlowRoots && oldest !== undefined) this.#known.delete(oldest);
	}

	/** The last submission of the flow with this root; undefined when it is not known, or when it is of the empty flow. */
	lastSubmission(root: string): TxSeq | undefined {
		const submissions = this.#known.get(root);
		return submissions === undefined || submissions === 0 ? undefined : ((submissions - 1) as TxSeq);
	}
}
