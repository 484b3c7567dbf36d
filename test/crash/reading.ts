/** Reads everything that clients were answered. */
import { PerigeeError } from '../../src/errors.js';
import type { Store } from '../../src/log-layer/store.js';
import type { Acknowledged, Content } from './oracle.js';
import { Violation } from './violation.js';

export interface ReadAll {
	/** Files of which an error said that they cannot be served. */
	readonly refused: ReadonlySet<Content>;
	/** Files that seem never to have been uploaded. */
	readonly missing: ReadonlySet<Content>;
}

/** Reads everything that was acknowledged. Throws a Violation at wrong bytes. */
export async function readAll(store: Store, acknowledged: readonly Acknowledged[]): Promise<ReadAll> {
	const refused = new Set<Content>();
	const missing = new Set<Content>();
	for (const { content, txSeq } of acknowledged) {
		try {
			const file = await store.files.fileBySeq(txSeq);
			const byRoot = await store.files.fileByRoot(content.root);
			if (!file || !byRoot) {
				missing.add(content);
				continue;
			}
			if (file.root !== content.root || file.sizeBytes !== content.bytes.length)
				throw new Violation(`another file stands under ${txSeq}`);
			let at = 0;
			for await (const piece of store.files.read(file, 0, file.sizeBytes)) {
				if (!content.bytes.subarray(at, at + piece.bytes.length).equals(piece.bytes))
					throw new Violation(`wrong bytes of ${content.root}`);
				at += piece.bytes.length;
				piece.release();
			}
			if (at !== content.bytes.length) throw new Violation(`${content.root} ends at ${at}`);
		} catch (error) {
			if (!(error instanceof PerigeeError)) throw error;
			refused.add(content);
		}
	}
	return { refused, missing };
}
