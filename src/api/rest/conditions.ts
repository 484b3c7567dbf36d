/** Conditional requests on immutable content (RFC 9110 §13). Entity tags given to these functions are strong, with quotes. */

const ENTITY_TAGS = /(W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g;

/** If-Match names the content (strong comparison). */
export function ifMatchHolds(header: string, etag: string): boolean {
	return header.trim() === '*' || hasTag(header, etag, false);
}

/** If-None-Match names the content (weak comparison): the client has it already. */
export function ifNoneMatchNames(header: string, etag: string): boolean {
	return header.trim() === '*' || hasTag(header, etag, true);
}

/** If-Range allows a partial answer: strong comparison; a date never does, since there is no Last-Modified. */
export function ifRangeHolds(header: string, etag: string): boolean {
	return header.trim() === etag;
}

function hasTag(header: string, etag: string, weakCounts: boolean): boolean {
	for (const [, weak, tag] of header.matchAll(ENTITY_TAGS)) {
		if (tag === etag && (weakCounts || weak === undefined)) return true;
	}
	return false;
}
