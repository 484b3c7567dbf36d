/** Certificate and key of the listeners that speak TLS. They can be replaced while connections are open: new ones get the new pair. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Server } from 'node:https';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { refusal } from '../config/refusal.js';

export interface TlsTexts {
	/** PEM, with the chain behind it. */
	readonly cert: Buffer;
	/** PEM. */
	readonly key: Buffer;
}

export class TlsPair {
	readonly #servers = new Set<Server>();
	#pair: CheckedPair;

	/** Errors: CONFIG_INVALID when the two cannot be used together. */
	constructor(texts: TlsTexts) {
		this.#pair = checked(texts);
	}

	/** What a server is made with. */
	get options(): SecureContextOptions {
		return this.#pair.options;
	}

	/** When the certificate ends, in milliseconds since 1970. */
	get expiresMs(): number {
		return this.#pair.expiresMs;
	}

	/** Keeps a server up to date until it closes. */
	serve(server: Server): void {
		this.#servers.add(server);
		server.once('close', () => this.#servers.delete(server));
	}

	/** Errors: CONFIG_INVALID, and the pair before stays. */
	replace(texts: TlsTexts): void {
		this.#pair = checked(texts);
		for (const server of this.#servers) server.setSecureContext(this.#pair.options);
	}
}

interface CheckedPair {
	readonly options: SecureContextOptions;
	readonly expiresMs: number;
}

function checked({ cert, key }: TlsTexts): CheckedPair {
	const certificate = read('tls.cert', 'certificate', () => new X509Certificate(cert));
	const privateKey = read('tls.key', 'private key without a passphrase', () => createPrivateKey(key));
	if (!certificate.checkPrivateKey(privateKey))
		throw refusal(['tls.cert', 'tls.key'], 'the key in tls.key is not that of the certificate in tls.cert');
	const options = { cert, key, minVersion: 'TLSv1.2' } as const;
	try {
		createSecureContext(options);
	} catch (error) {
		throw refusal(['tls.cert', 'tls.key'], `tls.cert and tls.key cannot be used: ${(error as Error).message}`, {
			cause: error,
		});
	}
	return { options, expiresMs: Date.parse(certificate.validTo) };
}

function read<T>(setting: string, what: string, parse: () => T): T {
	try {
		return parse();
	} catch (error) {
		throw refusal([setting], `the file in ${setting} holds no ${what} in PEM (${(error as Error).message})`, {
			cause: error,
		});
	}
}
