/** Certificate and key of the listeners that speak TLS. They can be replaced while connections are open: new ones get the new pair. */
import { X509Certificate } from 'node:crypto';
import type { Server } from 'node:https';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { PerigeeError } from '../errors.js';

export interface TlsTexts {
	/** PEM, with the chain behind it. */
	readonly cert: Buffer;
	/** PEM. */
	readonly key: Buffer;
}

export class TlsPair {
	readonly #servers = new Set<Server>();
	#options: SecureContextOptions;
	#expiresMs: number;

	/** Errors: CONFIG_INVALID when the two cannot be used together. */
	constructor(texts: TlsTexts) {
		this.#options = checked(texts);
		this.#expiresMs = expiryOf(texts);
	}

	/** What a server is made with. */
	get options(): SecureContextOptions {
		return this.#options;
	}

	/** When the certificate ends, in milliseconds since 1970. */
	get expiresMs(): number {
		return this.#expiresMs;
	}

	/** Keeps a server up to date until it closes. */
	serve(server: Server): void {
		this.#servers.add(server);
		server.once('close', () => this.#servers.delete(server));
	}

	/** Errors: CONFIG_INVALID, and the pair before stays. */
	replace(texts: TlsTexts): void {
		this.#options = checked(texts);
		this.#expiresMs = expiryOf(texts);
		for (const server of this.#servers) server.setSecureContext(this.#options);
	}
}

function checked({ cert, key }: TlsTexts): SecureContextOptions {
	const options = { cert, key, minVersion: 'TLSv1.2' } as const;
	try {
		createSecureContext(options);
		return options;
	} catch (error) {
		throw new PerigeeError('CONFIG_INVALID', `tls.cert and tls.key cannot be used: ${(error as Error).message}`, {
			cause: error,
		});
	}
}

function expiryOf({ cert }: TlsTexts): number {
	return Date.parse(new X509Certificate(cert).validTo);
}
