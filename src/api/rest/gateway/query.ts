/** The parameters of an address as a gateway takes them: repeated ones keep their order, those it does not know are passed over. */
import type { RestRequest } from '../endpoint.js';

export function queryOf({ raw: { url = '' } }: RestRequest): URLSearchParams {
	const at = url.indexOf('?');
	return new URLSearchParams(at === -1 ? '' : url.slice(at + 1));
}
