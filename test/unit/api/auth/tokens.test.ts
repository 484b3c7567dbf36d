import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Access } from '../../../../src/api/auth/access.js';
import { ByteQuota } from '../../../../src/api/auth/byte-quota.js';
import { RequestRate } from '../../../../src/api/auth/request-rate.js';
import { encodeTokenFile, parseTokenFile, TOKEN_SHAPE } from '../../../../src/api/auth/token-file.js';
import { PerigeeError } from '../../../../src/errors.js';
import { LIMITS } from '../../../../src/limits.js';
import { emptyRegistry, tokenFor } from '../../../support/open-access.js';
import { SimulatedClock } from '../../../support/simulated-clock.js';

function codeOf(run: () => unknown): string {
	try {
		run();
	} catch (error) {
		if (error instanceof PerigeeError) return error.code;
		throw error;
	}
	return 'nothing';
}

describe('the file of tokens', () => {
	it('gives back what was put in, and holds no token', () => {
		const { token, entry } = tokenFor('ci', ['write', 'read'], { maxBytes: 5, requestsPerSecond: 7 });
		assert.match(token, TOKEN_SHAPE);
		const text = encodeTokenFile([entry]);
		assert.deepEqual(parseTokenFile(text, 'x'), [entry]);
		assert.ok(!text.includes(token) && !text.includes(token.slice(3, 20)));
	});

	it('is refused whole when anything in it is wrong', () => {
		const { entry } = tokenFor('a', ['read']);
		const file = (...tokens: unknown[]) => JSON.stringify({ format: 1, tokens });
		const wrong: readonly [string, RegExp][] = [
			['', /is not JSON/],
			['null', /has the format undefined/],
			['{"format":2,"tokens":[]}', /has the format 2/],
			['{"format":1}', /has no list/],
			[file(5), /token 1: is no object/],
			[file({ ...entry, name: '' }), /a name has/],
			[file({ ...entry, name: 'a b' }), /a name has/],
			[file({ ...entry, name: 'n'.repeat(LIMITS.tokenNameBytes + 1) }), /a name has/],
			[file({ ...entry, scopes: [] }), /scopes is a list/],
			[file({ ...entry, scopes: ['root'] }), /scopes is a list/],
			[file({ ...entry, scopes: 'read' }), /scopes is a list/],
			[file({ ...entry, sha256: entry.sha256.toUpperCase() }), /sha256/],
			[file({ ...entry, createdAt: 'now' }), /createdAt/],
			[file({ ...entry, maxBytes: 0 }), /maxBytes/],
			[file({ ...entry, requestsPerSecond: 1.5 }), /requestsPerSecond/],
			[file({ ...entry, maxbytes: 5 }), /"maxbytes" is nothing/],
			[file(entry, entry), /the same name/],
			[file(entry, { ...entry, name: 'b' }), /the same sha256/],
			[file(...Array.from({ length: LIMITS.tokens + 1 }, () => entry)), /are allowed/],
		];
		for (const [text, expected] of wrong)
			assert.throws(
				() => parseTokenFile(text, '/t.json'),
				(error) => error instanceof PerigeeError && error.code === 'CONFIG_INVALID' && expected.test(error.message),
				text,
			);
	});
});

describe('access', () => {
	const needs = { read: 'never', write: 'in force', admin: 'always' } as const;

	it('asks for tokens from the moment there is a file of them, also when the last one is gone', () => {
		const registry = emptyRegistry();
		const access = new Access(registry, needs);
		assert.equal(access.admit(undefined, 'write'), undefined);
		assert.equal(
			codeOf(() => access.admit(undefined, 'admin')),
			'UNAUTHORIZED',
		);
		const { entry, bearer } = tokenFor('a', ['write']);
		registry.replace([entry]);
		assert.equal(
			codeOf(() => access.admit(undefined, 'write')),
			'UNAUTHORIZED',
		);
		assert.equal(access.admit(bearer, 'write')?.entry.name, 'a');
		assert.equal(access.admit('anything', 'read'), undefined, 'open for everybody');
		registry.replace([]);
		assert.equal(
			codeOf(() => access.admit(bearer, 'write')),
			'UNAUTHORIZED',
		);
	});

	it('may ask of other machines alone, until there is a file of tokens', () => {
		const registry = emptyRegistry();
		const access = new Access(registry, { ...needs, admin: 'from afar' });
		const codes = (): readonly string[] =>
			[true, false].map((isLocal) => codeOf(() => access.admit(undefined, 'admin', { isLocal })));
		assert.deepEqual(codes(), ['nothing', 'UNAUTHORIZED']);
		assert.equal(
			codeOf(() => access.admit(undefined, 'admin')),
			'UNAUTHORIZED',
			'of whom nothing is known is elsewhere',
		);
		registry.replace([]);
		assert.deepEqual(codes(), ['UNAUTHORIZED', 'UNAUTHORIZED']);
	});

	it('takes segments as it takes what writes, unless it is told otherwise', () => {
		const registry = emptyRegistry();
		const { entry, bearer } = tokenFor('a', ['write']);
		registry.replace([entry]);
		const guarded = new Access(registry, needs);
		assert.equal(
			codeOf(() => guarded.admit(undefined, 'segments')),
			'UNAUTHORIZED',
		);
		assert.equal(guarded.admit(bearer, 'segments')?.entry.name, 'a');
		const open = new Access(registry, { ...needs, segments: 'never' });
		assert.equal(open.admit(undefined, 'segments'), undefined);
		assert.equal(
			codeOf(() => open.admit(undefined, 'write')),
			'UNAUTHORIZED',
		);
	});

	it('takes a token for its scopes only, whoever else is there', () => {
		const registry = emptyRegistry();
		const access = new Access(registry, { read: 'always', write: 'always', admin: 'always' });
		const holders = (['read', 'write', 'admin'] as const).map((scope) => tokenFor(scope, [scope]));
		registry.replace(holders.map(({ entry }) => entry));
		for (const { entry, bearer } of holders)
			for (const scope of ['read', 'write', 'admin'] as const)
				assert.equal(
					codeOf(() => access.admit(bearer, scope)),
					entry.scopes.includes(scope) ? 'nothing' : 'FORBIDDEN',
					`${entry.name} for ${scope}`,
				);
	});

	it('takes nothing that only looks like a token', () => {
		const registry = emptyRegistry();
		const access = new Access(registry, needs);
		const { entry, token } = tokenFor('a', ['admin']);
		registry.replace([entry]);
		const flipped = (token.endsWith('A') ? 'B' : 'A').padStart(1);
		for (const authorization of [
			'',
			'Bearer',
			'Bearer ',
			token,
			`Basic ${Buffer.from(`x:${token}`).toString('base64')}`,
			`Bearer ${token.slice(0, -1)}`,
			`Bearer ${token}x`,
			`Bearer ${token.slice(0, -1)}${flipped}`,
			`Bearer ${token}, Bearer ${token}`,
			`Bearer ${entry.sha256}`,
			`Bearer ${'x'.repeat(10_000)}`,
		])
			assert.equal(
				codeOf(() => access.admit(authorization, 'admin')),
				'UNAUTHORIZED',
				authorization.slice(0, 80),
			);
		assert.equal(access.admit(`bearer   ${token} `, 'admin')?.entry.name, 'a', 'as RFC 9110 writes it');
	});

	it('keeps what a token has used up when the file is read again', () => {
		const clock = new SimulatedClock();
		const registry = emptyRegistry(clock);
		const access = new Access(registry, needs);
		const { entry, bearer } = tokenFor('a', ['write'], { requestsPerSecond: 2, maxBytes: 100 });
		registry.replace([entry]);
		access.admit(bearer, 'write')?.quota?.charge(90);
		access.admit(bearer, 'write');
		registry.replace([tokenFor('b', ['read']).entry, entry]);
		assert.equal(
			codeOf(() => access.admit(bearer, 'write')),
			'RATE_LIMITED',
		);
		clock.advance(1000);
		const holder = access.admit(bearer, 'write');
		assert.equal(
			codeOf(() => holder?.quota?.charge(11)),
			'QUOTA_EXCEEDED',
		);
		registry.replace([{ ...entry, maxBytes: 200 }]);
		assert.equal(
			codeOf(() => access.admit(bearer, 'write')?.quota?.charge(200)),
			'nothing',
			'another limit begins anew',
		);
	});
});

describe('limits of a token', () => {
	it('the rate lets one second’s worth through at once, and then its rate', () => {
		const clock = new SimulatedClock();
		const rate = new RequestRate(4, clock);
		const taken = () => Array.from({ length: 10 }, () => rate.take()).filter((waitMs) => waitMs === 0).length;
		assert.equal(taken(), 4);
		assert.equal(rate.take(), 250);
		clock.advance(500);
		assert.equal(taken(), 2);
		clock.advance(3_600_000);
		assert.equal(taken(), 4, 'no more is saved up');
	});

	it('a quota counts what is announced, and gives back what never came', () => {
		const clock = new SimulatedClock();
		const quota = new ByteQuota({ maxBytes: 100, windowMs: 1000, clock });
		const first = quota.begin(60);
		assert.equal(
			codeOf(() => quota.begin(60)),
			'QUOTA_EXCEEDED',
			'two at once cannot pass it together',
		);
		first.take(20);
		first.settle();
		const second = quota.begin(80);
		second.take(80);
		second.settle();
		assert.equal(
			codeOf(() => quota.begin(1)),
			'QUOTA_EXCEEDED',
		);
		clock.advance(1000);
		quota.begin(100);
	});

	it('a quota counts what is not announced as it comes, of all uploads together', () => {
		const quota = new ByteQuota({ maxBytes: 100, windowMs: 1000, clock: new SimulatedClock() });
		const [first, second] = [quota.begin(0), quota.begin(0)];
		let taken = 0;
		for (let round = 0; round < 20; round++)
			for (const upload of [first, second]) if (codeOf(() => upload.take(7)) === 'nothing') taken += 7;
		assert.equal(taken, 98);
		first.settle();
		second.settle();
		assert.equal(
			codeOf(() => quota.begin(3)),
			'QUOTA_EXCEEDED',
		);
		quota.begin(2);
	});

	it('what a past window was charged is not given back to the present one', () => {
		const clock = new SimulatedClock();
		const quota = new ByteQuota({ maxBytes: 100, windowMs: 1000, clock });
		const old = quota.begin(100);
		clock.advance(1000);
		quota.begin(100);
		old.settle();
		assert.equal(
			codeOf(() => quota.begin(1)),
			'QUOTA_EXCEEDED',
		);
	});
});
