import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseContentDigest } from '../../../src/api/rest/digest.js';
import { PerigeeError } from '../../../src/errors.js';

const hash = createHash('sha256').update('hello').digest();
const member = `sha-256=:${hash.toString('base64')}:`;
const badDigest = (error: unknown) => error instanceof PerigeeError && error.code === 'BAD_DIGEST';

test('the SHA-256 is found among other algorithms and parameters', () => {
	const headers = [
		member,
		` ${member} `,
		`sha-512=:${Buffer.alloc(64).toString('base64')}:, ${member}`,
		`${member},unixsum=12`,
		`x, y="quoted, :text:"; q=1, ${member};a=1;b`,
		`sha-256=:${Buffer.alloc(32).toString('base64')}:, ${member}`,
	];
	for (const header of headers) assert.deepEqual(parseContentDigest(header), hash, header);
});

test('a header without SHA-256 asks for nothing', () => {
	assert.equal(parseContentDigest(`sha-512=:${Buffer.alloc(64).toString('base64')}:`), undefined);
	assert.equal(parseContentDigest('md5=:AAAA:, x;y=2'), undefined);
});

test('a malformed header is refused', () => {
	const headers = [
		'',
		'   ',
		'sha-256',
		'sha-256=',
		'sha-256=abc',
		'sha-256=:abc',
		'sha-256=:!!!!:',
		`${member},`,
		`,${member}`,
		`${member} ${member}`,
		`SHA-256=:${hash.toString('base64')}:`,
		`sha-256=:${Buffer.alloc(31).toString('base64')}:`,
		`sha-256=:${Buffer.alloc(33).toString('base64')}:`,
		`sha-256=${hash.toString('hex')}`,
		Array.from({ length: 100 }, (_, index) => `a${index}`).join(','),
	];
	for (const header of headers) assert.throws(() => parseContentDigest(header), badDigest, JSON.stringify(header));
});

test('whatever is sent, the answer is 32 bytes, nothing, or BAD_DIGEST', () => {
	fc.assert(
		fc.property(
			fc.oneof(
				fc.string(),
				fc.string().map((text) => `${member}${text}`),
			),
			(header) => {
				try {
					const found = parseContentDigest(header);
					assert.ok(found === undefined || found.length === 32);
				} catch (error) {
					assert.ok(badDigest(error));
				}
			},
		),
	);
});
