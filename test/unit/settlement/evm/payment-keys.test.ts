/** The key that pays: where it comes from, what is refused, and that no message shows it. */
import assert from 'node:assert/strict';
import { createCipheriv, pbkdf2Sync, randomBytes, scryptSync } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { keccak256 } from '../../../../src/native/addon.js';
import { payingAccount } from '../../../../src/node/paying-key.js';
import { openKeystore } from '../../../../src/settlement/evm/keystore.js';
import { hexOf } from '../../../../src/units.js';

const directory = mkdtempSync(join(tmpdir(), 'perigee-keys-'));
after(() => rmSync(directory, { recursive: true }));

/** The first account of anvil, worth nothing. */
const KEY = 'ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80';
const ADDRESS = '0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266';
/** The known answer of the format's own documentation. */
const KNOWN = {
	crypto: {
		cipher: 'aes-128-ctr',
		cipherparams: { iv: '6087dab2f9fdbbfaddc31a909735c1e6' },
		ciphertext: '5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46',
		kdf: 'pbkdf2',
		kdfparams: {
			c: 262_144,
			dklen: 32,
			prf: 'hmac-sha256',
			salt: 'ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd',
		},
		mac: '517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2',
	},
	id: '3198bc9c-6672-5ab3-d995-4942343ae5b6',
	version: 3,
};

function keystore(kdf: 'scrypt' | 'pbkdf2', password: string): string {
	const [salt, iv] = [randomBytes(32), randomBytes(16)];
	const params = { n: 4096, r: 8, p: 1 };
	const derived =
		kdf === 'scrypt'
			? scryptSync(password, salt, 32, { N: params.n, r: params.r, p: params.p })
			: pbkdf2Sync(password, salt, 1000, 32, 'sha256');
	const cipher = createCipheriv('aes-128-ctr', derived.subarray(0, 16), iv);
	const ciphertext = Buffer.concat([cipher.update(Buffer.from(KEY, 'hex')), cipher.final()]);
	const mac = keccak256(Buffer.concat([derived.subarray(16), ciphertext]));
	const own = kdf === 'scrypt' ? params : { c: 1000, prf: 'hmac-sha256' };
	return JSON.stringify({
		version: 3,
		crypto: {
			cipher: 'aes-128-ctr',
			cipherparams: { iv: iv.toString('hex') },
			ciphertext: ciphertext.toString('hex'),
			kdf,
			kdfparams: { ...own, dklen: 32, salt: salt.toString('hex') },
			mac: hexOf(mac).slice(2),
		},
	});
}

function fileOf(name: string, text: string, mode = 0o600): string {
	const path = join(directory, name);
	writeFileSync(path, text);
	chmodSync(path, mode);
	return path;
}

async function refusal(run: Promise<unknown>): Promise<string> {
	const error = await run.then(
		() => assert.fail('it was taken'),
		(reason: unknown) => reason as Error & { readonly code: string },
	);
	assert.equal(error.code, 'CONFIG_INVALID');
	const { cause } = error as { readonly cause?: Error };
	assert.ok(!`${error.message} ${cause?.message}`.includes(KEY.slice(0, 16)), 'the key is shown');
	return error.message;
}

describe('the key that pays', () => {
	it('comes from a file, plain or as a keystore, or from the environment', async () => {
		const none = { keyFile: '', keyPasswordFile: '' };
		assert.equal(await payingAccount(none, {}), undefined);
		const environment = { PERIGEE_CHAIN_KEY_PASSWORD: 'a password' };
		const password = fileOf('password', 'a password\n');
		for (const [settings, variables] of [
			[none, { PERIGEE_CHAIN_KEY: KEY }],
			[none, { PERIGEE_CHAIN_KEY: `0x${KEY.toUpperCase()}` }],
			[{ keyFile: fileOf('plain', `${KEY}\n`), keyPasswordFile: '' }, {}],
			[{ keyFile: fileOf('prefixed', `0x${KEY}`, 0o400), keyPasswordFile: '' }, {}],
			[{ keyFile: fileOf('scrypt', keystore('scrypt', 'a password')), keyPasswordFile: '' }, environment],
			[{ keyFile: fileOf('pbkdf2', keystore('pbkdf2', 'a password')), keyPasswordFile: password }, {}],
		] as const)
			assert.equal((await payingAccount(settings, variables))?.address, ADDRESS);
	});

	it('opens the keystore that everybody knows', async () => {
		const key = await openKeystore(JSON.stringify(KNOWN), 'testpassword', { keccak256 });
		assert.equal(hexOf(key), '0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d');
	});

	it('is refused with a reason that does not show it', async () => {
		const of = (keyFile: string, variables: Record<string, string> = {}, keyPasswordFile = '') =>
			refusal(payingAccount({ keyFile, keyPasswordFile }, variables));
		assert.match(await of(fileOf('open', KEY, 0o640)), /can be read by other users: chmod 600/);
		assert.match(await of(join(directory, 'nothing')), /cannot be read \(ENOENT\)/);
		assert.match(await of(fileOf('short', KEY.slice(1))), /has no key/);
		assert.match(await of(fileOf('zero', '0'.repeat(64))), /not one of its curve/);
		assert.match(await of(fileOf('large', 'f'.repeat(2_000_000))), /too large for a key/);
		assert.match(await of(fileOf('both', KEY), { PERIGEE_CHAIN_KEY: KEY }), /both name a key/);
		const encrypted = fileOf('encrypted', keystore('scrypt', 'right'));
		assert.match(await of(encrypted), /set PERIGEE_CHAIN_KEY_PASSWORD/);
		assert.match(await of(encrypted, { PERIGEE_CHAIN_KEY_PASSWORD: 'wrong' }), /the password does not open it/);
		assert.match(await of(encrypted, {}, fileOf('open password', 'right', 0o604)), /can be read by other users/);
	});

	it('a keystore that is hostile or broken is refused before any work', async () => {
		const bent = (change: (crypto: Record<string, unknown>) => void): string => {
			const store = JSON.parse(keystore('scrypt', 'x')) as { crypto: Record<string, unknown> };
			change(store.crypto);
			return JSON.stringify(store);
		};
		for (const [text, reason] of [
			['{', /no keystore of version 3/],
			[JSON.stringify({ version: 1, crypto: {} }), /no keystore of version 3/],
			[bent((crypto) => (crypto['cipher'] = 'aes-256-cbc')), /cipher/],
			[bent((crypto) => (crypto['kdf'] = 'md5')), /not known/],
			[bent((crypto) => (crypto['ciphertext'] = 'xyz')), /cannot be read/],
			[bent((crypto) => (crypto['kdfparams'] = { n: 2 ** 30, r: 8, p: 1, dklen: 32, salt: '00' })), /too large/],
			[bent((crypto) => (crypto['kdfparams'] = { n: 8, r: 8, p: 1, dklen: 16, salt: '00' })), /cannot be used/],
			[bent((crypto) => (crypto['kdfparams'] = { n: 1000, r: 8, p: 1, dklen: 32, salt: '00' })), /cannot be used/],
			[bent((crypto) => delete crypto['kdfparams']), /cannot be used/],
			[bent((crypto) => (crypto['mac'] = '00')), /does not open it/],
		] as const)
			assert.match(await refusal(openKeystore(text, 'x', { keccak256 })), reason);
	});
});
