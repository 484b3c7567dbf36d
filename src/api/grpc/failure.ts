/** What a call that fails ends with: status, message and trailing metadata. */
import { Metadata, status, type StatusObject } from '@grpc/grpc-js';
import { ERRORS, type ErrorRule, type PerigeeError } from '../../errors.js';
import { GRPC_STATUS } from './status.js';

const LONE_SURROGATES = /\p{Cs}/gu;

export function failureOf(error: PerigeeError, requestId: string): StatusObject {
	const rule: ErrorRule = ERRORS[error.code];
	const metadata = new Metadata();
	metadata.set('perigee-code', error.code);
	metadata.set('perigee-request-id', requestId);
	if (rule.retryAfterSeconds !== undefined)
		metadata.set('grpc-retry-pushback-ms', String(rule.retryAfterSeconds * 1000));
	const what = error.code === 'INTERNAL' ? rule.title : error.message;
	const details = `${what}${what.endsWith('.') ? '' : '.'} ${rule.hint}`.replaceAll(LONE_SURROGATES, '\ufffd');
	return { code: status[GRPC_STATUS[error.code]], details, metadata };
}
