import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
	isLoopback,
	isSamePlace,
	parseListenAddress,
	parseListenPlace,
	urlOfAddress,
} from '../../../src/config/listen-address.js';
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

test('two listeners are one where host and port are the same, and the port is not any free one', () => {
	for (const [left, right, isOne] of [
		['127.0.0.1:1', '127.0.0.1:1', true],
		['[::1]:1', '[::1]:1', true],
		['127.0.0.1:0', '127.0.0.1:0', false],
		['127.0.0.1:1', 'localhost:1', false],
		['0.0.0.0:1', '127.0.0.1:1', false],
		['unix:/a', 'unix:/a', false],
	] as const)
		assert.equal(isSamePlace(parseListenPlace(left), parseListenPlace(right)), isOne, `${left} ${right}`);
});

test('this machine is reached at 127.x and ::1, also as IPv6 writes the former', () => {
	for (const host of ['127.0.0.1', '127.8.9.1', '::1', '::ffff:127.0.0.1', 'localhost'])
		assert.ok(isLoopback(host), host);
	for (const host of ['', '0.0.0.0', '::', '10.0.0.1', '::ffff:10.0.0.1', '127.0.0.1.example.org'])
		assert.ok(!isLoopback(host), host);
});
