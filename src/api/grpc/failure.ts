/** What a call that fails ends with: status, message and trailing metadata. */
import { Metadata, status, type StatusObject } from '@grpc/grpc-js';
import { asPerigeeError, ERRORS, type ErrorRule, type PerigeeError } from '../../errors.js';
import type { GrpcContext } from './context.js';
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

/** Ends a call with an error. */
export function refuse(
	context: GrpcContext,
	call: { readonly metadata: Metadata; getPath(): string; getPeer(): string },
	cause: unknown,
): void {
	const error: PerigeeError = asPerigeeError(cause);
	const watched = context.calls.of(call);
	if (error.code === 'INTERNAL' || error.code === 'DATA_DAMAGED') {
		const { requestId } = watched;
		context.log.error(
			{ requestId, method: call.getPath(), code: error.code, err: error.cause ?? error },
			error.message,
		);
	}
	watched.fail(error);
}
