/**
 * The one table of error codes: HTTP status, whether the same request may succeed later, and what to do about it.
 * docs/errors.md is held equal to this table by a test. Errors are matched by `code`, never by text.
 */
export interface ErrorRule {
	/** HTTP status of an answer that carries this code. */
	readonly status: number;
	readonly title: string;
	/** The same request may succeed later. */
	readonly retryable: boolean;
	/** What to do about it. */
	readonly hint: string;
	/** Seconds that the answer names in Retry-After. */
	readonly retryAfterSeconds?: number;
}

export const ERRORS = {
	BAD_REQUEST: rule(
		400,
		'The request cannot be understood',
		false,
		'Compare the request with docs/api.md, over gRPC with docs/grpc.md.',
	),
	EMPTY_FILE: rule(400, 'An empty file has no data root', false, 'Send at least one byte.'),
	BAD_ROOT: rule(400, 'This is not a data root', false, 'A data root is 0x and 64 hexadecimal digits.'),
	BAD_NAME: rule(
		400,
		'This file name cannot be stored',
		false,
		'Use at most 1,024 bytes of UTF-8 without control characters.',
	),
	BAD_PATH: rule(
		400,
		'This path cannot be stored in a directory',
		false,
		'Send relative paths with "/" between names of at most 1,024 bytes of UTF-8, each path once and none with "." or "..".',
	),
	BAD_DIRECTORY: rule(
		422,
		'The metadata of the directory cannot be used',
		false,
		'The file is served as it is at /v1/files/{root}; whoever made it has to make it anew.',
	),
	NOT_A_DIRECTORY: rule(
		422,
		'The file is no directory',
		false,
		'Ask for the file itself at /v1/files/{root}; a directory is made with POST /v1/upload?directory={name}.',
	),
	DIRECTORY_TOO_LARGE: rule(
		413,
		'The directory is larger than this node takes',
		false,
		'Split it into several directories; docs/api.md tells the bounds.',
	),
	UNSAFE_LINK: rule(
		422,
		'A link leads out of the directory',
		false,
		'Ask with links=skip to leave such links out, or with links=keep to get them as they are.',
	),
	BAD_DIGEST: rule(
		400,
		'The digest header cannot be read',
		false,
		'Send Content-Digest: sha-256=:<base64>: (RFC 9530), over gRPC the 32 bytes of the SHA-256.',
	),
	DIGEST_MISMATCH: rule(
		422,
		'The content does not have the digest that was sent',
		true,
		'The upload was damaged on its way or is another file; nothing was stored. Send it again.',
	),
	ROOT_MISMATCH: rule(
		422,
		'The content does not have the data root that was expected',
		true,
		'The upload was damaged on its way or is another file; nothing was stored. Send it again.',
	),
	NOT_FOUND: rule(
		404,
		'Nothing is known under this name',
		false,
		'Check the address, and the root or the sequence number in it: docs/api.md has all addresses, perigee root <file> computes a root.',
	),
	NOT_JSON: rule(
		415,
		'Calls of JSON-RPC are JSON',
		false,
		'Send Content-Type: application/json. Files go to /v1/upload/{name} (docs/api.md).',
	),
	NOT_MULTIPART: rule(
		415,
		'This address takes multipart/form-data',
		false,
		'Send a form with files (curl -F file=@name), or a raw body with PUT /v1/upload/{name}.',
	),
	ENCODING_UNSUPPORTED: rule(
		415,
		'The body is encoded',
		false,
		'Send the bytes as they are, without Content-Encoding; as Transfer-Encoding only chunked is understood.',
	),
	PRECONDITION_FAILED: rule(
		412,
		'The content is not what If-Match names',
		false,
		'The entity tag of a file is its data root in quotes.',
	),
	EXPECTATION_FAILED: rule(417, 'This expectation is not known', false, 'Only Expect: 100-continue is known.'),
	HEADERS_TOO_LARGE: rule(431, 'The headers of the request are too large', false, 'Send fewer or shorter headers.'),
	REQUEST_TIMEOUT: rule(408, 'The request did not arrive in time', true, 'Send it again.'),
	UNAUTHORIZED: rule(
		401,
		'This needs a token',
		false,
		'Send Authorization: Bearer <token>. The command line takes it from PERIGEE_TOKEN or --token-file; perigee token create makes one on the node.',
	),
	FORBIDDEN: rule(
		403,
		'The token is not for this',
		false,
		'Use a token with the scope that the text names; perigee token create makes one on the node.',
	),
	RATE_LIMITED: rule(429, 'Too many requests with this token', true, 'Try again after the time in Retry-After.'),
	QUOTA_EXCEEDED: rule(
		429,
		'The token has no bytes left for this',
		true,
		'Try again after the time in Retry-After, or ask the operator for a larger quota.',
	),
	LENGTH_REQUIRED: rule(411, 'The length of the body must be told', false, 'Send Content-Length.'),
	CROSS_SITE: rule(
		403,
		'A web page of another site sent this',
		false,
		'Send it from the same origin or from a program, or name the page in cors.origins; browsers mark such requests with Sec-Fetch-Site.',
	),
	FOREIGN_HOST: rule(
		421,
		'This is not a name of the node',
		false,
		'Ask by a literal address, by localhost, or by the name in the setting admin.',
	),
	METHOD_NOT_ALLOWED: rule(
		405,
		'This address does not take that method',
		false,
		'See docs/api.md for the methods of each address.',
	),
	NOT_HELD: rule(
		404,
		'The file is known, but its data is not held here',
		true,
		'Ask another node, or upload the file again.',
	),
	NOT_CACHED: rule(
		412,
		'The data is not held here',
		true,
		'Ask another node, or ask without Cache-Control: only-if-cached.',
	),
	GONE: rule(
		410,
		'The file was deleted here',
		false,
		'Ask another node, or upload the file again: its submission still stands, so nothing is paid twice.',
	),
	CLIENT_GONE: rule(
		499,
		'The client broke off',
		true,
		'Nothing was stored; send it again. This code appears in metrics and logs only.',
	),
	RANGE_NOT_SATISFIABLE: rule(
		416,
		'The range lies outside the file',
		false,
		'The text tells the size, over HTTP Content-Range does too.',
	),
	BODY_TOO_LARGE: rule(
		413,
		'The body is larger than this node takes',
		false,
		'Split the file, or ask the operator: the limit is the setting storage.maxFileBytes.',
	),
	UPLOAD_OVERRUN: rule(
		413,
		'The body goes beyond the length of the upload',
		false,
		'Ask with HEAD how far the upload has come and send what is missing up to its length; a longer file needs a new upload.',
	),
	BAD_CHECKSUM: rule(
		400,
		'The header Upload-Checksum cannot be read',
		false,
		'Send Upload-Checksum: sha256 <base64>, the digest of the bytes of this request; OPTIONS /v1/tus/ names the algorithms.',
	),
	UPLOAD_NOT_FOUND: rule(
		404,
		'No resumable upload has this address',
		false,
		'It was ended or has expired, or the address is wrong; begin a new one.',
	),
	UPLOAD_CONFLICT: rule(
		409,
		'The upload does not stand where the request says',
		false,
		'Ask with HEAD how far it has come and go on from there. One that is complete is a file: DELETE /v1/files/{root} deletes it.',
	),
	CHECKSUM_MISMATCH: rule(
		460,
		'The body does not have the checksum that was sent',
		true,
		'It was damaged on its way and counts for nothing; send it again from the same offset.',
	),
	TUS_VERSION: rule(412, 'This version of tus is not spoken here', false, 'Send Tus-Resumable: 1.0.0.'),
	TUS_BODY: rule(
		415,
		'This address takes the bytes of an upload',
		false,
		'Send them with Content-Type: application/offset+octet-stream.',
	),
	UPLOAD_TAKEN_OVER: rule(
		409,
		'Another request goes on with this upload',
		false,
		'What had come is kept; ask with HEAD how far it has come.',
	),
	TOO_MANY_UPLOADS: rule(503, 'Too many uploads at once', true, 'Try again after the time in Retry-After.', 1),
	OVERLOADED: rule(503, 'The node is overloaded', true, 'Try again after the time in Retry-After.', 1),
	UPLOAD_TIMEOUT: rule(
		408,
		'The upload stood still for too long',
		true,
		'Send it again; an upload must make progress within upload.idleTimeoutMs.',
	),
	DISK_FULL: rule(
		507,
		'The disk has no room for this',
		true,
		'Free space or add a disk; reads go on, and uploads resume by themselves.',
	),
	JOURNAL_DAMAGED: rule(
		500,
		'The journal has lost entries, so the order of the submissions cannot be rebuilt',
		false,
		'Nothing was changed in log/. Put the journal file that the message names back from a backup, then start again.',
	),
	READ_ONLY: rule(
		503,
		'The node takes no writes because a write to its disk failed',
		true,
		'Check the disk and the log, then restart the node; data that was acknowledged is safe.',
		30,
	),
	DATA_DAMAGED: rule(
		500,
		'Stored data does not match its checksum',
		true,
		'Nothing wrong was sent. Upload the same file again to heal it.',
	),
	READ_FAILED: rule(
		503,
		'The disk answered a read with an error',
		true,
		'Try again; if it stays, check the disk. Uploading the same file again stores it anew.',
		5,
	),
	REBUILDING: rule(
		503,
		'The index is rebuilt from the log',
		true,
		'It was found damaged; stored data is safe. Try again after the time in Retry-After.',
		5,
	),
	DIRECTORY_LOCKED: rule(
		409,
		'Another process holds this data directory',
		false,
		'Stop that process or choose another --data-dir.',
	),
	VOLUME_CONFLICT: rule(
		409,
		'The data directories do not fit together',
		false,
		'The text names them. Nothing was changed; see docs/operations.md, "Several disks".',
	),
	JOURNAL_MISSING: rule(
		500,
		'A file of the journal is missing',
		false,
		'The text names it. Put it back; nothing was changed. See docs/operations.md, "Missing log files".',
	),
	FORMAT_UNKNOWN: rule(
		500,
		'The data directory has a format that this version does not know',
		false,
		'Use the version that wrote it, or a newer one.',
	),
	SHUTTING_DOWN: rule(503, 'The node is stopping', true, 'Try again once it runs.', 5),
	SUBMISSION_INVALID: rule(
		422,
		'The settlement refuses this submission',
		false,
		'The text says which rule it breaks (spec log-layer §2.2).',
	),
	MINING_OFF: rule(
		409,
		'This node does not mine',
		false,
		'Start it with --mine, or with mining.mode = "on"; see docs/mining.md.',
	),
	CONFIG_INVALID: rule(
		400,
		'The configuration cannot be used',
		false,
		'Correct it at the place that the text names; docs/configuration.md lists all settings with their ranges, and perigee start --help the flags.',
	),
	INTERNAL: rule(
		500,
		'Something went wrong inside the node',
		true,
		'The log has the details under the same request id; please report it.',
	),
} as const satisfies Record<string, ErrorRule>;

export type ErrorCode = keyof typeof ERRORS;

function rule(status: number, title: string, retryable: boolean, hint: string, retryAfterSeconds?: number): ErrorRule {
	return retryAfterSeconds === undefined
		? { status, title, retryable, hint }
		: { status, title, retryable, hint, retryAfterSeconds };
}

/** An error with a code of the table. `message` tells what happened this time. */
export class PerigeeError extends Error {
	readonly code: ErrorCode;
	constructor(code: ErrorCode, message?: string, options?: ErrorOptions) {
		super(message ?? ERRORS[code].title, options);
		this.name = 'PerigeeError';
		this.code = code;
	}
}

/** The error itself if it has a code of the table, else INTERNAL with the error as its cause. */
export function asPerigeeError(error: unknown): PerigeeError {
	if (error instanceof PerigeeError) return error;
	return new PerigeeError('INTERNAL', error instanceof Error ? error.message : String(error), { cause: error });
}
