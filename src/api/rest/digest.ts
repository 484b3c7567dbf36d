/** Content-Digest (RFC 9530): a dictionary of structured fields (RFC 8941 §3.2) whose values are byte sequences. */
import { PerigeeError } from '../../errors.js';
import { LIMITS } from '../../limits.js';

const KEY = '[a-z*][a-z0-9_.*-]*';
const STRING = '"(?:[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]|\\\\["\\\\])*"';
const BYTES = ':[A-Za-z0-9+/]*={0,2}:';
const BARE = `${BYTES}|${STRING}|\\?[01]|-?[0-9]{1,15}(?:\\.[0-9]{1,3})?|[A-Za-z*][A-Za-z0-9:/!#$%&'*+.^_\`|~-]*`;
const PARAMETERS = `(?:; *${KEY}(?:=(?:${BARE}))?)*`;
const MEMBER = new RegExp(`(${KEY})(?:=(${BARE}))?${PARAMETERS}`, 'y');
const COMMA = /[ \t]*,[ \t]*/y;

/**
 * The SHA-256 of a Content-Digest header: 32 bytes, or undefined when it names only other algorithms.
 * Errors: BAD_DIGEST when the header does not follow its grammar or the value is not 32 bytes.
 */
export function parseContentDigest(header: string): Uint8Array | undefined {
	const text = header.trim();
	let found: Uint8Array | undefined;
	let position = 0;
	for (let member = 0; position < text.length; member++) {
		if (member === LIMITS.headerListMembers) throw bad(`has more than ${LIMITS.headerListMembers} members`);
		if (member > 0) {
			COMMA.lastIndex = position;
			if (!COMMA.test(text)) throw bad('is not a list of algorithm=:base64:');
			position = COMMA.lastIndex;
		}
		MEMBER.lastIndex = position;
		const match = MEMBER.exec(text);
		if (match === null) throw bad('is not a list of algorithm=:base64:');
		position = MEMBER.lastIndex;
		// The last of several members with one key counts (RFC 8941 §3.2).
		if (match[1] === 'sha-256') found = sha256Of(match[2] ?? '');
	}
	if (position === 0) throw bad('is empty');
	return found;
}

function sha256Of(value: string): Uint8Array {
	if (!value.startsWith(':')) throw bad('must give sha-256 as :base64:');
	const bytes = Buffer.from(value.slice(1, -1), 'base64');
	if (bytes.length !== 32) throw bad(`gives ${bytes.length} bytes for sha-256 instead of 32`);
	return bytes;
}

function bad(what: string): PerigeeError {
	return new PerigeeError('BAD_DIGEST', `The Content-Digest header ${what}.`);
}
