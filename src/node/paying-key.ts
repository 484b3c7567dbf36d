/**
 * The key with which a node, or the command line, pays for submissions: from a file that nobody else may read, plain or as a keystore, or from the environment. It is given
 * to whoever signs, and to nothing that is logged or printed.
 */
import { readFile, stat } from 'node:fs/promises';
import { privateKeyToAccount } from 'viem/accounts';
import { about } from '../config/refusal.js';
import type { Config } from '../config/schema.js';
import { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import { keccak256 } from '../native/addon.js';
import { openKeystore } from '../settlement/evm/keystore.js';
import type { PayingAccount } from '../settlement/evm/payment-signer.js';
import { hexOf } from '../units.js';

const KEY_VARIABLE = 'PERIGEE_CHAIN_KEY';
const PASSWORD_VARIABLE = 'PERIGEE_CHAIN_KEY_PASSWORD';
const OTHERS = 0o077;

type Environment = Readonly<Record<string, string | undefined>>;

/** Undefined: there is no key, and whoever uploads pays. Errors: CONFIG_INVALID, which say nothing of the key. */
export async function payingAccount(
	{ keyFile, keyPasswordFile }: Pick<Config['chain'], 'keyFile' | 'keyPasswordFile'>,
	environment: Environment,
): Promise<PayingAccount | undefined> {
	const text = environment[KEY_VARIABLE] ?? '';
	if (text !== '' && keyFile !== '')
		throw new PerigeeError('CONFIG_INVALID', `${KEY_VARIABLE} and chain.keyFile both name a key: give one`);
	if (text !== '') return accountOf(keyOf(text, KEY_VARIABLE));
	if (keyFile === '') return undefined;
	const secret = await about(['chain.keyFile'], () => readSecret(keyFile));
	if (!secret.startsWith('{')) return accountOf(keyOf(secret, keyFile));
	const password = await passwordOf(keyPasswordFile, environment);
	return accountOf(hexOf(await openKeystore(secret, password, { keccak256 })));
}

function accountOf(key: string): PayingAccount {
	try {
		const account = privateKeyToAccount(key as `0x${string}`);
		return { address: account.address, sign: (transaction) => account.signTransaction(transaction) };
	} catch {
		// Its reason may show the key.
		throw new PerigeeError('CONFIG_INVALID', 'the key of the chain is not one of its curve');
	}
}

async function passwordOf(file: string, environment: Environment): Promise<string> {
	const password = environment[PASSWORD_VARIABLE];
	if (password !== undefined) return password;
	if (file !== '') return await about(['chain.keyPasswordFile'], () => readSecret(file));
	throw new PerigeeError(
		'CONFIG_INVALID',
		`chain.keyFile is an encrypted keystore: set ${PASSWORD_VARIABLE}, or name a file with its password in chain.keyPasswordFile`,
	);
}

/** Errors: CONFIG_INVALID. */
async function readSecret(path: string): Promise<string> {
	const { mode, size } = await stat(path).catch((error: unknown) => unreadable(path, error));
	if ((mode & OTHERS) !== 0)
		throw new PerigeeError('CONFIG_INVALID', `${path} can be read by other users: chmod 600 ${path}`);
	if (size > LIMITS.configFileBytes) throw new PerigeeError('CONFIG_INVALID', `${path} is too large for a key`);
	const text = await readFile(path, 'utf8').catch((error: unknown) => unreadable(path, error));
	return text.trim();
}

function unreadable(path: string, error: unknown): never {
	const { code } = error as NodeJS.ErrnoException;
	throw new PerigeeError('CONFIG_INVALID', `${path} cannot be read (${code ?? String(error)})`, { cause: error });
}

function keyOf(text: string, from: string): string {
	const digits = /^(?:0x)?([0-9a-f]{64})$/i.exec(text.trim())?.[1];
	if (digits !== undefined) return `0x${digits}`;
	throw new PerigeeError('CONFIG_INVALID', `${from} has no key: 64 hexadecimal digits, or a keystore`);
}
