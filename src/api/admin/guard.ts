/**
 * Keeps browsers away from the admin listener, which trusts whoever reaches it. A page of another site may send requests to the loopback
 * address, and by a name of its own that leads there (DNS rebinding) even read the answers.
 */
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { TLSSocket } from 'node:tls';
import { PerigeeError } from '../../errors.js';
import { refuseOtherSites } from '../rest/other-sites.js';

/**
 * Refuses requests that name another host than this one, and those that a page of another origin has made. `host`: the configured one.
 * Errors: FOREIGN_HOST, CROSS_SITE.
 */
export function guardAdmin(host: string): (request: IncomingMessage) => void {
	return (request) => {
		const { host: named = '', origin } = request.headers;
		const scheme = request.socket instanceof TLSSocket ? 'https' : 'http';
		const name = hostnameOf(named);
		// A literal address cannot be made to lead elsewhere; a name can, unless it is the operator's own.
		const isOwn = name !== undefined && (isIP(name) !== 0 || name === 'localhost' || name === host.toLowerCase());
		if (!isOwn) throw new PerigeeError('FOREIGN_HOST', `"${named.slice(0, 200)}" is not a name of this node.`);
		if (origin !== undefined && origin !== `${scheme}://${named}`) throw new PerigeeError('CROSS_SITE');
		refuseOtherSites(request);
	};
}

/** Refuses bodies too. Errors: FOREIGN_HOST, CROSS_SITE, BAD_REQUEST. */
export function guardBodiless(host: string): (request: IncomingMessage) => void {
	const guard = guardAdmin(host);
	return (request) => {
		guard(request);
		const { 'content-length': length = '0', 'transfer-encoding': encoding } = request.headers;
		if (length !== '0' || encoding !== undefined) throw new PerigeeError('BAD_REQUEST', 'This address takes no body.');
	};
}

/** The name or literal address in a Host header, lower case, without port and brackets. */
function hostnameOf(header: string): string | undefined {
	const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]{1,5})?$/.exec(header.toLowerCase());
	return match?.[1] ?? match?.[2];
}
