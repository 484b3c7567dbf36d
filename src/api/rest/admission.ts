/** The one place where it is decided whether a request may go on: before any byte of its body is read, and before the node says 100 Continue. */
import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../../config/listen-address.js';
import { PerigeeError } from '../../errors.js';
import type { UploadAllowance } from '../auth/byte-quota.js';
import type { Endpoint, ServerContext } from './endpoint.js';
import { refuseOtherSites } from './other-sites.js';

/**
 * Errors: UNAUTHORIZED, FORBIDDEN, RATE_LIMITED, CROSS_SITE, QUOTA_EXCEEDED, LENGTH_REQUIRED. Answers what must be settled when the request
 * is over.
 */
export function admit<C extends ServerContext>(
	context: C,
	{ definition: { scope }, countsBody }: Endpoint<C>,
	request: IncomingMessage,
): UploadAllowance | undefined {
	if (scope === 'open') return undefined;
	const { headers } = request;
	// Whoever may not read may not call JSON-RPC either.
	if (scope === 'segments') context.access.admit(headers.authorization, 'read');
	const isCounted = scope === 'segments' && context.access.asksFor('read');
	const holder = context.access.admit(headers.authorization, scope, { isLocal: isLocal(request), isCounted });
	if (scope !== 'write' && scope !== 'segments') return undefined;
	if (scope === 'write' && context.cors?.mayWrite(request, holder !== undefined) !== true) refuseOtherSites(request);
	const quota = holder?.quota;
	if (quota === undefined) return undefined;
	if (headers['transfer-encoding'] !== undefined && countsBody !== true) throw new PerigeeError('LENGTH_REQUIRED');
	const allowance = quota.begin(Number(headers['content-length'] ?? 0));
	// Where nobody counts what arrives, all that was announced counts.
	if (countsBody !== true) return undefined;
	context.allowances.set(request, allowance);
	return allowance;
}

/** Whether it comes from this machine. A proxy on this machine that says for whom it asks speaks for others. */
export function isLocal({ headers, socket }: IncomingMessage): boolean {
	return isLoopback(socket.remoteAddress ?? '') && !PROXY_HEADERS.some((name) => name in headers);
}

const PROXY_HEADERS = ['forwarded', 'via', 'x-forwarded-for', 'x-real-ip'] as const;
