/** What a browser sends on behalf of another site's page. */
import type { IncomingMessage } from 'node:http';
import { PerigeeError } from '../../errors.js';

/** Some requests browsers send to any site without asking first; a page from elsewhere must change nothing here. Errors: CROSS_SITE. */
export function refuseOtherSites(request: IncomingMessage): void {
	const site = request.headers['sec-fetch-site'];
	if (site === 'cross-site' || site === 'same-site') throw new PerigeeError('CROSS_SITE');
}
