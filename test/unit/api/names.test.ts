import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkName, cleanMediaType, contentDisposition, nameOfUrl } from '../../../src/api/rest/names.js';
import { PerigeeError } from '../../../src/errors.js';
import { LIMITS } from '../../../src/limits.js';

const badName = (error: unknown) => error instanceof PerigeeError && error.code === 'BAD_NAME';

test('names are bounded in bytes, not characters', () => {
	assert.equal(checkName('a'.repeat(LIMITS.nameBytes)).length, LIMITS.nameBytes);
	assert.throws(() => checkName('a'.repeat(LIMITS.nameBytes + 1)), badName);
	assert.equal(checkName('ü'.repeat(LIMITS.nameBytes / 2)).length, LIMITS.nameBytes / 2);
	assert.throws(() => checkName('ü'.repeat(LIMITS.nameBytes / 2 + 1)), badName);
});

test('control characters, slashes and directory names are refused', () => {
	for (const name of ['a\0b', 'a\nb', '\x7f', '\x85', 'a/b', '/', '.', '..'])
		assert.throws(() => checkName(name), badName, JSON.stringify(name));
	for (const name of ['', '...', '.hidden', 'a b', 'a\\b', '"', '%', 'モデル.bin', '🌍'])
		assert.equal(checkName(name), name);
});

test('the name of an address is decoded, also when it holds UTF-8 as it is', () => {
	assert.equal(nameOfUrl('/v1/upload/a%20b%2Fc'), 'a b/c');
	assert.equal(nameOfUrl('/v1/upload/a%252Fb'), 'a%2Fb');
	assert.equal(nameOfUrl('/v1/upload/x?y=%zz'), 'x');
	assert.equal(nameOfUrl(`/v1/upload/${Buffer.from('ü').toString('latin1')}`), 'ü');
	assert.throws(() => nameOfUrl('/v1/upload/%zz'), badName);
	assert.throws(() => nameOfUrl('/v1/upload/%ff'), badName);
	assert.throws(() => nameOfUrl('/v1/upload/\xff'), badName);
});

test('every name that can be stored comes back from an address and gives a valid header', () => {
	fc.assert(
		fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 }), (name) => {
			try {
				checkName(name);
			} catch {
				return;
			}
			assert.equal(nameOfUrl(`/v1/upload/${encodeURIComponent(name)}`), name);
			const header = contentDisposition(name);
			assert.match(header, /^[\x20-\x7e]+$/);
			const extended = /filename\*=UTF-8''(\S+)$/.exec(header)?.[1];
			const quoted = /filename="([^"\\]*)"/.exec(header)?.[1];
			assert.equal(extended === undefined ? quoted : decodeURIComponent(extended), name);
		}),
	);
});

test('only media types are given back', () => {
	for (const type of ['text/plain', 'text/html; charset=utf-8', 'a/b;c="d e"', 'application/x.y+json']) {
		assert.equal(cleanMediaType(type), type);
	}
	for (const type of [
		'',
		'text',
		'text/',
		'/x',
		'text/plain; x',
		'text/plain\r\nSet-Cookie: a=b',
		'text/ü',
		'a/b;c="d',
		'a b/c',
		`a/${'b'.repeat(300)}`,
	]) {
		assert.equal(cleanMediaType(type), '', JSON.stringify(type));
	}
});
