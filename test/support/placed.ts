/** Uploads and submissions of a settlement that orders them at once. */
import assert from 'node:assert/strict';
import type { UploadResult } from '../../src/log-layer/types.js';
import type { AwaitedSubmission, PlacedSubmission } from '../../src/settlement/settlement.js';
import type { TxSeq } from '../../src/units.js';

export type StoredUpload = UploadResult & { readonly txSeq: TxSeq };

/** The upload, which waits for nothing. */
export function storedUpload(result: UploadResult): StoredUpload {
	const { txSeq } = result;
	assert.ok(txSeq !== undefined, 'the upload waits for its submission');
	return { ...result, txSeq };
}

/** The submission, which waits for nothing. */
export function placedSubmission(submitted: PlacedSubmission | AwaitedSubmission): PlacedSubmission {
	assert.ok(!('state' in submitted), 'the submission is awaited');
	return submitted;
}
