/**
 * Content whose submissions all begin in a part of the flow that the chain pays nothing for any more (spec log-layer §2.9): it counts as pruned, and
 * what is held of it goes, unless it came over REST. A file that begins there and ends behind goes whole: its root cannot be had without the part
 * that pays nothing, and no client asks for half of it. Up to where that is stands in the journal, and never goes back.
 */
import type { AppendLog } from '../append-log/append-log.js';
import { ByteReader, ByteWriter } from '../bytes.js';
import type { Journal } from '../settlement/journal.js';
import { type DataRoot, PRICING_CHUNK_SECTORS, type TxSeq } from '../units.js';
import type { DamageList } from './damage.js';
import { spent } from './file-deletion.js';
import { isUploadedHere } from './held-contents.js';
import type { RootLocks } from './key-locks.js';
import { laneOf } from './records.js';
import { decodeRootRow, rowKeys, type RootRow, type SubmissionRow } from './rows.js';
import { submissionAt } from './submissions.js';
import type { View } from './view.js';

const KEY = 'rewardable';

export interface UnrewardedParts {
	readonly log: AppendLog;
	readonly view: View;
	readonly journal: Journal;
	readonly locks: RootLocks;
	readonly damage: DamageList;
}

export class Unrewarded {
	readonly #parts: UnrewardedParts;
	#chunk: number;

	/** Takes up what is durable. Errors: FORMAT_UNKNOWN. */
	constructor(parts: UnrewardedParts) {
		this.#parts = parts;
		const stored = parts.journal.setting(KEY);
		this.#chunk = stored ? new ByteReader(stored, 'the first rewardable chunk').safeU64('number') : 0;
	}

	/** The first sector that is still paid for. */
	get fromSector(): bigint {
		return BigInt(this.#chunk) * PRICING_CHUNK_SECTORS;
	}

	/** From now on what lies before a pricing chunk is not kept. True: that is news. Resolves when it is durable. Errors: those of Journal.putSettings. */
	async advance(chunk: number): Promise<boolean> {
		if (chunk <= this.#chunk) return false;
		await this.#parts.journal.putSettings([{ key: KEY, value: new ByteWriter(8).u64(chunk).toBytes() }]);
		this.#chunk = chunk;
		return true;
	}

	/** Whether it is content of this kind. `submission`: one of the root's. Errors: those of the view. */
	async includes(root: DataRoot, row: RootRow, submission: SubmissionRow): Promise<boolean> {
		if (submission.startSector >= this.fromSector || isUploadedHere(row, submission)) return false;
		const { view } = this.#parts;
		if (!row.submissions?.more) return true;
		const { flowId } = submission;
		const from = rowKeys.rootSeq(root, flowId, 0 as TxSeq);
		const to = rowKeys.rootSeq(root, flowId, Number.MAX_SAFE_INTEGER as TxSeq);
		for await (const rows of view.scan({ from, to, reverse: true, limitRows: 1 })) {
			const last = rows[0] && (await submissionAt(view, flowId, Number(Buffer.from(rows[0].key).readBigUInt64BE(37))));
			if (last && last.startSector >= this.fromSector) return false;
		}
		return true;
	}

	/** Drops what is held of a root, if it is content of this kind. Errors: those of the log and the view. */
	drop(root: DataRoot): Promise<void> {
		const { view, locks, log, damage } = this.#parts;
		return locks.run(root, async () => {
			const value = await view.get(rowKeys.root(root));
			const row = value ? decodeRootRow(value) : {};
			const { object, submissions } = row;
			const first = submissions && (await submissionAt(view, submissions.flowId, submissions.firstSeq));
			if (!object || !first || !(await this.includes(root, row, first))) return;
			await log.write(laneOf(object.sizeBytes), [spent(object, root)]).applied;
			damage.forget(object.objectId);
		});
	}
}
