/** What clients send beside the bytes of resumable uploads, what the log keeps of them, and what asks for and proves access. */
import assert from 'node:assert/strict';
import { parseTokenFile } from '../../src/api/auth/token-file.js';
import { newLength, parseChecksum, parseMetadata, wholeHeader } from '../../src/api/rest/tus-headers.js';
import { VerifyError, verifyRange } from '../../src/client/verify.js';
import { decodeResumable, resumableFact } from '../../src/log-layer/resumable-records.js';
import {
	decodeResumableRow,
	decodeStagedRow,
	encodeResumableRow,
	encodeStagedRow,
	withStaged,
} from '../../src/log-layer/resumable-rows.js';
import { type Lsn, SEGMENT_BYTES } from '../../src/units.js';
import { bytes, type FuzzTarget, PLACE, ROOT, text } from './inputs.js';

const FACT = resumableFact({
	objectId: 5n,
	secret: Buffer.alloc(16, 7),
	expiresMs: 1_900_000_000_000,
	sizeBytes: 300,
	limitBytes: 20,
	name: 'a',
	contentType: 'b/c',
	metadata: 'filename YQ==',
	expectedRoot: ROOT,
});

export const UPLOAD_TARGETS: readonly FuzzTarget[] = [
	text('Upload-Metadata', ['filename YQ==,filetype dGV4dC9wbGFpbg==,other', `root ${btoa(ROOT)}`], (input) => {
		const { name, metadata } = parseMetadata(input);
		assert.ok(Buffer.byteLength(name) <= 1024 && metadata === input);
	}),
	text('Upload-Checksum', ['sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=', 'md5 1B2M2Y8AsgTpgAmY7PhCfg=='], (input) => {
		const checksum = parseChecksum(input);
		assert.ok(checksum && checksum.digest.length >= 16);
	}),
	text('Upload-Length and its like', ['0', '12345', '9007199254740991'], (input) => {
		const offset = wholeHeader({ 'upload-offset': input }, 'upload-offset');
		assert.ok(Number.isSafeInteger(offset) && (offset as number) >= 0);
		assert.ok((newLength({ 'upload-length': input }) ?? 0) > 0);
	}),
	text(
		'file of tokens',
		['{"tokens":[{"name":"a","scopes":["read"],"sha256":"' + '5a'.repeat(32) + '"}]}'],
		(input) => {
			for (const { name, scopes } of parseTokenFile(input, 'tokens.json')) assert.ok(name !== '' && scopes.length > 0);
		},
	),
	bytes('resumable upload', [FACT.ext], (input) => {
		const { sizeBytes = 0, name } = decodeResumable(input);
		assert.ok(Number.isSafeInteger(sizeBytes) && typeof name === 'string');
	}),
	bytes('row of a resumable upload', [encodeResumableRow(9n as Lsn, FACT.ext)], decodeResumableRow),
	bytes('row of staged bytes', [encodeStagedRow([{ offset: 300, place: PLACE }])], (input) => {
		const staged = decodeStagedRow(input);
		const after = withStaged(staged, { offset: SEGMENT_BYTES, place: { ...PLACE, origin: 1n as Lsn } });
		assert.ok(after.length <= staged.length + 1);
	}),
	bytes('range with its proof', [Buffer.alloc(400, 1)], (input) => {
		try {
			verifyRange(input, { root: ROOT, size: 300, from: 0, to: 300 });
			assert.fail('nothing has this root');
		} catch (error) {
			assert.ok(error instanceof VerifyError, String(error));
		}
	}),
];
