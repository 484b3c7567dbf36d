/** Names and media types of files: what is taken from a client, and how it is given back in headers. */
import { PerigeeError } from '../../errors.js';
import { LIMITS } from '../../limits.js';

const UPLOAD_PREFIX = '/v1/upload/';
const PATH_MARK = '/path/';
const GATEWAY_PREFIX = '/file/';
const BEYOND_ASCII = /[\x80-\xff]/;
const UTF8 = new TextDecoder('utf-8', { fatal: true });
const CONTROL = /\p{Cc}/u;
const MEDIA_TYPE =
	/^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+(?:[ \t]*;[ \t]*[\w!#$%&'*+.^`|~-]+=(?:[\w!#$%&'*+.^`|~-]+|"(?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t \x21-\x7e])*"))*$/;
const PLAIN_NAME = /^[\w !#$&+.,;=@^`|~()[\]{}-]+$/;

/** What follows `/v1/upload/` in an address, decoded; also where a client sent UTF-8 as it is. Errors: BAD_NAME. */
export function nameOfUrl(url: string): string {
	return decoded(withoutQuery(url).slice(UPLOAD_PREFIX.length));
}

/**
 * What follows `/v1/files/{root}/path/` in an address: the parts of a path, each decoded by itself; the last one is empty where the path is, or ends
 * in a slash. Errors: BAD_NAME.
 */
export function partsOfUrl(url: string): readonly string[] {
	const path = withoutQuery(url);
	return partsOf(path.slice(path.indexOf(PATH_MARK) + PATH_MARK.length));
}

/** The same of what follows `/file/{cid}/`. Errors: BAD_NAME. */
export function partsOfGatewayUrl(url: string): readonly string[] {
	const path = withoutQuery(url);
	return partsOf(path.slice(path.indexOf('/', GATEWAY_PREFIX.length) + 1));
}

function partsOf(path: string): readonly string[] {
	return path.split('/').map(decoded);
}

/**
 * The file name of a part of a form as its sender has it: browsers write `"` and line ends in it as %22, %0D and %0A, and nothing else so
 * (HTML standard, multipart/form-data). Names that hold these very letters look the same.
 */
export function nameOfForm(written: string): string {
	return written.replaceAll(/%(?:22|0D|0A)/g, decodeURIComponent);
}

function withoutQuery(url: string): string {
	const query = url.indexOf('?');
	return query === -1 ? url : url.slice(0, query);
}

function decoded(text: string): string {
	try {
		// Node hands over the bytes of the address as Latin-1.
		const characters = BEYOND_ASCII.test(text) ? UTF8.decode(Buffer.from(text, 'latin1')) : text;
		return decodeURIComponent(characters);
	} catch (error) {
		throw new PerigeeError('BAD_NAME', 'The name in the address is not percent-encoded UTF-8.', { cause: error });
	}
}

/** The name if it can be stored ('' for none). Errors: BAD_NAME. */
export function checkName(name: string): string {
	const bytes = Buffer.byteLength(name);
	if (bytes > LIMITS.nameBytes) {
		throw new PerigeeError('BAD_NAME', `The name has ${bytes} bytes; ${LIMITS.nameBytes} are allowed.`);
	}
	if (CONTROL.test(name)) throw new PerigeeError('BAD_NAME', 'The name has a control character.');
	if (name.includes('/')) throw new PerigeeError('BAD_NAME', 'A name has no "/": send the last part of the path only.');
	if (name === '.' || name === '..') throw new PerigeeError('BAD_NAME', `"${name}" is no name of a file.`);
	return name;
}

/** The media type if it is one and not too long, else ''. */
export function cleanMediaType(type: string): string {
	const trimmed = type.trim();
	return trimmed.length <= LIMITS.contentTypeBytes && MEDIA_TYPE.test(trimmed) ? trimmed : '';
}

/** Whether a browser shows a file in place or stores it. */
export type Disposition = 'inline' | 'attachment';

/** Content-Disposition of a file (RFC 6266); `name` is not ''. */
export function contentDisposition(name: string, disposition: Disposition = 'inline'): string {
	if (PLAIN_NAME.test(name)) return `${disposition}; filename="${name}"`;
	const fallback = name.replaceAll(/[^\x20-\x7e]|["\\%]/gu, '_');
	const encoded = encodeURIComponent(name).replaceAll(
		/['()*]/g,
		(sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
	);
	return `${disposition}; filename="${fallback}"; filename*=UTF-8''${encoded}`;
}
