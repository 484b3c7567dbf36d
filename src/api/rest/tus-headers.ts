/** Headers of the tus protocol 1.0 (https://tus.io/protocols/resumable-upload): what a client may say, checked. */
import type { IncomingHttpHeaders } from 'node:http';
import { PerigeeError } from '../../errors.js';
import { LIMITS } from '../../limits.js';
import { type DataRoot, parseDataRoot } from '../../units.js';
import { checkName, cleanMediaType } from './names.js';

export const TUS_VERSION = '1.0.0';
/** Media type of the bytes of an upload. */
export const OFFSET_STREAM = 'application/offset+octet-stream';
/** In the order in which they are offered; names as the protocol and node:crypto have them. */
export const CHECKSUM_ALGORITHMS = ['sha1', 'sha256', 'sha512', 'md5'] as const;

export interface TusMetadata {
	readonly name: string;
	readonly contentType: string;
	readonly expectedRoot?: DataRoot;
	/** The header as it came. */
	readonly metadata: string;
}

export interface TusChecksum {
	readonly algorithm: (typeof CHECKSUM_ALGORITHMS)[number];
	readonly digest: Buffer;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const WHOLE = /^(?:0|[1-9][0-9]{0,15})$/;
const KEY = /^[\x21-\x2b\x2d-\x7e]+$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;
const DIGEST_BYTES = { sha1: 20, sha256: 32, sha512: 64, md5: 16 } as const;

/** A size or offset in bytes; undefined when the header is absent. Errors: BAD_REQUEST. */
export function wholeHeader(headers: IncomingHttpHeaders, name: string): number | undefined {
	const text = headers[name];
	if (text === undefined) return undefined;
	const value = Number(text);
	if (!WHOLE.test(String(text)) || !Number.isSafeInteger(value))
		throw new PerigeeError('BAD_REQUEST', `${name} is a whole number from 0.`);
	return value;
}

/** Upload-Length or Upload-Defer-Length of a new upload; undefined: the length comes later. Errors: BAD_REQUEST, EMPTY_FILE. */
export function newLength(headers: IncomingHttpHeaders): number | undefined {
	// A part of something larger would become a file of its own.
	if (headers['upload-concat'] !== undefined)
		throw new PerigeeError('BAD_REQUEST', 'Upload-Concat is not spoken here: Tus-Extension names what is.');
	const length = wholeHeader(headers, 'upload-length');
	const deferred = headers['upload-defer-length'];
	if (deferred !== undefined && deferred !== '1') throw new PerigeeError('BAD_REQUEST', 'Upload-Defer-Length is 1.');
	if ((length === undefined) === (deferred === undefined))
		throw new PerigeeError('BAD_REQUEST', 'Send either Upload-Length or Upload-Defer-Length.');
	if (length === 0) throw new PerigeeError('EMPTY_FILE');
	return length;
}

/**
 * Upload-Metadata: pairs of a key and a value in base64. `filename` or `name`, `filetype` or `type`, and `root` (the data root that the content
 * must have) have a meaning here. Errors: BAD_REQUEST, BAD_NAME, BAD_ROOT.
 */
export function parseMetadata(header: string | undefined): TusMetadata {
	const metadata = header ?? '';
	if (metadata.length > LIMITS.resumableMetadataBytes)
		throw new PerigeeError('BAD_REQUEST', `Upload-Metadata has more than ${LIMITS.resumableMetadataBytes} bytes.`);
	const values = new Map<string, Buffer>();
	for (const pair of metadata === '' ? [] : metadata.split(',')) {
		const [key = '', value = '', ...more] = pair.trim().split(' ');
		if (!KEY.test(key) || !BASE64.test(value) || more.length > 0 || values.has(key))
			throw new PerigeeError(
				'BAD_REQUEST',
				'Upload-Metadata is a list of "key base64", separated by commas, each key once.',
			);
		values.set(key, Buffer.from(value, 'base64'));
	}
	const name = checkName(nameIn(values.get('filename') ?? values.get('name')));
	const contentType = cleanMediaType((values.get('filetype') ?? values.get('type') ?? '').toString());
	const rootText = values.get('root')?.toString();
	const expectedRoot = rootText === undefined ? undefined : parseDataRoot(rootText);
	if (rootText !== undefined && expectedRoot === undefined)
		throw new PerigeeError('BAD_ROOT', 'root in Upload-Metadata is not a data root.');
	return { name, contentType, metadata, ...(expectedRoot === undefined ? {} : { expectedRoot }) };
}

function nameIn(bytes: Buffer | undefined): string {
	try {
		return bytes === undefined ? '' : UTF8.decode(bytes);
	} catch (error) {
		throw new PerigeeError('BAD_NAME', 'The name in Upload-Metadata is not UTF-8.', { cause: error });
	}
}

/** Upload-Checksum: an algorithm and a digest in base64. Errors: BAD_CHECKSUM. */
export function parseChecksum(header: string | undefined): TusChecksum | undefined {
	if (header === undefined) return undefined;
	const [name = '', value = '', ...more] = header.trim().split(' ');
	const algorithm = CHECKSUM_ALGORITHMS.find((known) => known === name);
	if (algorithm === undefined)
		throw badChecksum(`names the algorithm "${name.slice(0, 32)}"; ${CHECKSUM_ALGORITHMS.join(', ')} are known`);
	if (value === '' || more.length > 0) throw badChecksum('is an algorithm, one space, and a digest in base64');
	if (!BASE64.test(value)) throw badChecksum('has a digest that is no base64');
	const digest = Buffer.from(value, 'base64');
	if (digest.length !== DIGEST_BYTES[algorithm])
		throw badChecksum(`has ${digest.length} bytes; a ${algorithm} has ${DIGEST_BYTES[algorithm]}`);
	return { algorithm, digest };
}

function badChecksum(what: string): PerigeeError {
	return new PerigeeError('BAD_CHECKSUM', `Upload-Checksum ${what}.`);
}
