/** Uploads whose submission is a chain's business: how long an answer waits for it, and what is told of it until it is there. */
import type { Static } from 'typebox';
import { PerigeeError } from '../../errors.js';
import { type Clock, within } from '../../io/clock.js';
import { LIMITS } from '../../limits.js';
import type { UploadResult } from '../../log-layer/types.js';
import type { PendingSubmission } from '../../settlement/settlement.js';
import { hexOf } from '../../units.js';
import { jsonWhole } from './params.js';
import type { PENDING_SUBMISSION } from './schemas.js';

/** An upload, as far as its submission goes. */
type Awaiting = Pick<UploadResult, 'txSeq' | 'awaited'>;
type PendingBody = Static<typeof PENDING_SUBMISSION>;

/** `wait` in seconds, as in a query; `LIMITS.submissionWaitMs` when absent. Errors: BAD_REQUEST. */
export function waitOf(text: string | undefined): number {
	if (text === undefined) return LIMITS.submissionWaitMs;
	const seconds = /^[0-9]{1,4}$/.test(text) ? Number(text) : Number.NaN;
	if (seconds * 1000 <= LIMITS.submissionLongestWaitMs) return seconds * 1000;
	throw new PerigeeError(
		'BAD_REQUEST',
		`wait is a whole number of seconds from 0 to ${LIMITS.submissionLongestWaitMs / 1000}.`,
	);
}

/** An upload as it is once its submission is there, or when the time is over. Errors: SHUTTING_DOWN. */
export async function settled<T extends Awaiting>(
	result: T,
	waitMs: number,
	clock: Pick<Clock, 'schedule'>,
): Promise<T> {
	const { placed } = result.awaited ?? {};
	const found = placed && (await within(clock, waitMs, placed));
	if (!found) return result;
	const { awaited: _, ...rest } = { ...result, txSeq: found.txSeq };
	return rest as T;
}

/** 202: a submission is awaited. 200: all of it was here before. */
export function statusOfUploads(results: readonly UploadResult[]): 200 | 201 | 202 {
	if (results.some(({ awaited }) => awaited)) return 202;
	return results.every(({ existed }) => existed) ? 200 : 201;
}

/** What an answer says of the submission: its number, or what it waits for. */
export async function submissionOf({ txSeq, awaited }: Awaiting): Promise<{ txSeq?: number; pending?: PendingBody }> {
	if (!awaited) return txSeq === undefined ? {} : { txSeq };
	return { pending: pendingBodyOf(await awaited.state()) };
}

function pendingBodyOf({ chainId, flowAddress, submission, fee, payment }: PendingSubmission): PendingBody {
	const { lengthBytes, tags, nodes } = submission;
	return {
		state: payment ? (payment.transaction ? 'sent' : 'wanted') : 'unpaid',
		chainId: jsonWhole(chainId),
		flow: hexOf(flowAddress),
		submission: {
			length: jsonWhole(lengthBytes),
			tags: hexOf(tags),
			nodes: nodes.map(({ root, height }) => ({ root: hexOf(root), height })),
		},
		...(fee !== undefined && { fee: fee.toString() }),
		...(payment?.transaction && { transaction: hexOf(payment.transaction) }),
		...(payment?.trouble !== undefined && { trouble: payment.trouble }),
	};
}
