/** Opens an encrypted keystore of Ethereum, version 3 (Web3 Secret Storage). */
import { createDecipheriv, pbkdf2, scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { PerigeeError } from '../../errors.js';
import type { FlowHashing } from '../flow/hashing.js';

const KEY_BYTES = 32;
/** Most memory and work that a file may ask for: scrypt takes 128 · N · r bytes. */
const MOST_SCRYPT_BYTES = 1024 * 1024 * 1024;
const MOST_ROUNDS = 10_000_000;

interface Keystore {
	readonly version: number;
	readonly crypto: {
		readonly cipher: string;
		readonly ciphertext: string;
		readonly cipherparams: { readonly iv: string };
		readonly kdf: string;
		readonly kdfparams?: Readonly<Record<string, unknown>>;
		readonly mac: string;
	};
}

/** The private key, 32 bytes. Errors: CONFIG_INVALID, which name nothing of the content. */
export async function openKeystore(
	text: string,
	password: string,
	hashing: Pick<FlowHashing, 'keccak256'>,
): Promise<Uint8Array> {
	const { cipher, ciphertext, cipherparams, kdf, kdfparams, mac } = cryptoOf(text);
	if (cipher !== 'aes-128-ctr') refuse('its cipher is not aes-128-ctr');
	const secret = bytesOf(ciphertext);
	const derived = await derivedKey(kdf, kdfparams ?? {}, password).catch((error: unknown) =>
		error instanceof PerigeeError ? Promise.reject(error) : refuse('its parameters cannot be used'),
	);
	const expected = hashing.keccak256(Buffer.concat([derived.subarray(16, 32), secret]));
	const told = bytesOf(mac);
	if (told.length !== expected.length || !timingSafeEqual(told, expected)) refuse('the password does not open it');
	const decipher = createDecipheriv('aes-128-ctr', derived.subarray(0, 16), bytesOf(cipherparams.iv));
	const key = Buffer.concat([decipher.update(secret), decipher.final()]);
	if (key.length !== KEY_BYTES) refuse(`its key has ${key.length} bytes`);
	return key;
}

function cryptoOf(text: string): Keystore['crypto'] {
	try {
		const parsed = JSON.parse(text) as Partial<Keystore> & { readonly Crypto?: Keystore['crypto'] };
		const crypto = parsed.crypto ?? parsed.Crypto;
		if (parsed.version === 3 && crypto !== undefined) return crypto;
	} catch {
		// What it says instead is nobody's business.
	}
	return refuse('it is no keystore of version 3');
}

async function derivedKey(kdf: string, params: Readonly<Record<string, unknown>>, password: string): Promise<Buffer> {
	const { dklen = KEY_BYTES, salt } = params;
	if (dklen !== KEY_BYTES || typeof salt !== 'string') refuse('its parameters cannot be used');
	if (kdf === 'scrypt') {
		const [N, r, p] = [params['n'], params['r'], params['p']].map(Number) as [number, number, number];
		if (!(N > 1 && r > 0 && p > 0 && 128 * N * r * p <= MOST_SCRYPT_BYTES))
			refuse('its scrypt parameters are too large');
		const derive = promisify<string, Buffer, number, object, Buffer>(scrypt);
		return await derive(password, bytesOf(salt), KEY_BYTES, { N, r, p, maxmem: 2 * MOST_SCRYPT_BYTES });
	}
	if (kdf === 'pbkdf2' && params['prf'] === 'hmac-sha256') {
		const rounds = Number(params['c']);
		if (!(rounds > 0 && rounds <= MOST_ROUNDS)) refuse('its rounds cannot be used');
		return await promisify(pbkdf2)(password, bytesOf(salt), rounds, KEY_BYTES, 'sha256');
	}
	return refuse('its key derivation is not known');
}

function bytesOf(hex: unknown): Buffer {
	if (typeof hex !== 'string' || !/^(?:0x)?(?:[0-9a-f]{2})*$/i.test(hex)) return refuse('its fields cannot be read');
	return Buffer.from(hex.replace(/^0x/, ''), 'hex');
}

function refuse(why: string): never {
	throw new PerigeeError('CONFIG_INVALID', `the keystore cannot be opened: ${why}`);
}
