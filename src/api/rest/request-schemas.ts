/** Parts of requests that several endpoints share: headers, queries, variable parts of addresses. */
import { Type } from '../../config/json-schema.js';

export const uploadHeaders = Type.Object({
	'content-digest': Type.Optional(
		Type.String({ description: 'RFC 9530. sha-256 is checked; other algorithms are ignored.' }),
	),
	'perigee-expected-root': Type.Optional(
		Type.String({
			description: 'Data root the content must have; with several files, each of them; of a directory, its metadata.',
		}),
	),
});

/** Where uploads follow a chain. */
export const waitQuery = {
	wait: Type.Optional(
		Type.String({
			description:
				'Seconds, 0 to 600, that the answer waits for the submission where the node pays for it on a chain; 30 when absent.',
		}),
	),
};

export const tusVersion = { 'tus-resumable': Type.String({ description: '1.0.0' }) };
export const tusChecksum = {
	'upload-checksum': Type.Optional(
		Type.String({
			description:
				'sha1, sha256, sha512 or md5, and the digest of the body in base64. A body with another one is 460 and counts for nothing.',
		}),
	),
};
export const tusParams = Type.Object({ id: Type.String({ description: 'Out of Location.' }) });

export const contentHeaders = Type.Object({
	range: Type.Optional(
		Type.String({
			description: 'Ranges of bytes, at most 100; those that overlap or touch are answered as one.',
		}),
	),
	'if-range': Type.Optional(Type.String()),
	'if-match': Type.Optional(Type.String()),
	'if-none-match': Type.Optional(Type.String()),
	'cache-control': Type.Optional(
		Type.String({ description: 'only-if-cached: what is not held here is 412 (NOT_CACHED).' }),
	),
});

export const listQuery = Type.Object({
	limit: Type.Optional(Type.String({ description: 'Entries of the answer, 1 to 1,000; 100 when absent.' })),
	cursor: Type.Optional(Type.String({ description: '`next` of the answer before.' })),
	order: Type.Optional(Type.String({ description: 'asc: oldest first, as when absent; desc: newest first.' })),
	prefix: Type.Optional(Type.String({ description: 'Only names that begin so.' })),
	finalized: Type.Optional(Type.String({ description: 'true or false: only such files.' })),
	deleted: Type.Optional(Type.String({ description: 'true or false: only such files.' })),
});
