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

/** Where a key is looked for: `PERIGEE_CHAIN_KEY` and `chain.keyFile`, or the same of `mining`. */
type KeySection = 'chain' | 'mining';

const OTHERS = 0o077;

type Environment = Readonly<Record<string, string | undefined>>;

/** Undefined: there is no key, and whoever uploads pays. Errors: CONFIG_INVALID, which say nothing of the key. */
export function payingAccount(
	files: Pick<Config['chain'], 'keyFile' | 'keyPasswordFile'>,
	environment: Environment,
): Promise<PayingAccount | undefined> {
	return accountIn('chain', files, environment);
}

/** Undefined: there is no key, and nothing is mined. Errors: CONFIG_INVALID, also for the account that pays for uploads. */
export async function miningAccount(
	files: Pick<Config['mining'], 'keyFile' | 'keyPasswordFile'>,
	paying: PayingAccount | undefined,
	environment: Environment,
): Promise<PayingAccount | undefined> {
	const account = await accountIn('mining', files, environment);
	if (account && account.address === paying?.address)
		throw new PerigeeError(
			'CONFIG_INVALID',
			'mining.keyFile has the key of chain.keyFile: payments and answers would use the same transaction numbers. Give mining an account of its own',
		);
	return account;
}

async function accountIn(
	section: KeySection,
	{ keyFile, keyPasswordFile }: Pick<Config['chain'], 'keyFile' | 'keyPasswordFile'>,
	environment: Environment,
): Promise<PayingAccount | undefined> {
	const variable = `PERIGEE_${section.toUpperCase()}_KEY`;
	const text = environment[variable] ?? '';
	if (text !== '' && keyFile !== '')
		throw new PerigeeError('CONFIG_INVALID', `${variable} and ${section}.keyFile both name a key: give one`);
	if (text !== '') return accountOf(keyOf(text, variable));
	if (keyFile === '') return undefined;
	const secret = await about([`${section}.keyFile`], () => readSecret(keyFile));
	if (!secret.startsWith('{')) return accountOf(keyOf(secret, keyFile));
	const password = await passwordOf(section, keyPasswordFile, environment);
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

async function passwordOf(section: KeySection, file: string, environment: Environment): Promise<string> {
	const variable = `PERIGEE_${section.toUpperCase()}_KEY_PASSWORD`;
	const password = environment[variable];
	if (password !== undefined) return password;
	if (file !== '') return await about([`${section}.keyPasswordFile`], () => readSecret(file));
	throw new PerigeeError(
		'CONFIG_INVALID',
		`${section}.keyFile is an encrypted keystore: set ${variable}, or name a file with its password in ${section}.keyPasswordFile`,
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
