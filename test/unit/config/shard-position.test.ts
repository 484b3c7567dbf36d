import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseShard, shardText } from '../../../src/config/shard-position.js';
import { PerigeeError } from '../../../src/errors.js';

test('positions of shards', () => {
	for (const text of ['0/1', '0/2', '1/2', '1023/1024', `0/${2 ** 30}`])
		assert.equal(shardText(parseShard(text)), text);
	for (const text of ['', '0', '1/1', '2/2', '0/3', '0/0', '-1/2', '0/2/2', '0 /2', '0x1/2', '0/2147483648', '1.5/2'])
		assert.throws(
			() => parseShard(text),
			(error) => error instanceof PerigeeError && error.code === 'CONFIG_INVALID',
			text,
		);
});
