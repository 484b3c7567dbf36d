import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseListenAddress, urlOfAddress } from '../../../src/config/listen-address.js';
import { PerigeeError } from '../../../src/errors.js';

test('hosts, IPv4 and IPv6 addresses are read, with any port', () => {
	for (const [text, host, port, url] of [
		['127.0.0.1:5678', '127.0.0.1', 5678, 'http://127.0.0.1:5678'],
		['localhost:0', 'localhost', 0, 'http://localhost:0'],
		['[::1]:65535', '::1', 65_535, 'http://[::1]:65535'],
		['0.0.0.0:80', '0.0.0.0', 80, 'http://0.0.0.0:80'],
	] as const) {
		assert.deepEqual(parseListenAddress(text), { host, port });
		assert.equal(urlOfAddress({ host, port }), url);
	}
});

test('what is no address is refused', () => {
	for (const text of [
		'',
		':',
		':5678',
		'5678',
		'localhost',
		'localhost:',
		'::1:5678',
		'[::1]',
		'a b:1',
		'x:65536',
		'x:-1',
		'x:1x',
		'http://x:1',
	]) {
		assert.throws(
			() => parseListenAddress(text),
			(error) => error instanceof PerigeeError && error.code === 'CONFIG_INVALID',
			text,
		);
	}
});
