/** The tokens in force, looked up by what a client sends. They can be replaced while the node runs; what they have used up stays. */
import { hash, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../io/clock.js';
import type { Randomness } from '../../io/randomness.js';
import { ByteQuota } from './byte-quota.js';
import { RequestRate } from './request-rate.js';
import type { Scope } from './scopes.js';
import { TOKEN_SHAPE, type TokenEntry } from './token-file.js';

/** Whom a token belongs to, and what is left to him. */
export interface TokenHolder {
	readonly entry: TokenEntry;
	readonly rate: RequestRate | undefined;
	readonly quota: ByteQuota | undefined;
}

interface Row extends TokenHolder {
	readonly digest: Buffer;
}

export interface RegistryModules {
	readonly clock: Clock;
	readonly randomness: Randomness;
	/** auth.quotaWindowMs */
	readonly quotaWindowMs: number;
}

const KEY_BYTES = 32;

/**
 * Looking a token up tells nothing by the time it takes. The table goes by SHA-256(key, SHA-256(token)) with a key that this process has
 * drawn: whoever tries tokens can neither choose nor know the text that the table compares, so however early a comparison ends, he learns
 * nothing from it. What is found is then compared once more, in constant time. Comparing with every entry would take as long as there are
 * entries and be no safer.
 */
export class TokenRegistry {
	readonly #modules: RegistryModules;
	readonly #key: Uint8Array;
	#rows: ReadonlyMap<string, Row> = new Map();
	#isInForce = false;

	constructor(modules: RegistryModules) {
		this.#modules = modules;
		this.#key = modules.randomness.bytes(KEY_BYTES);
	}

	/** A file of tokens exists: who has none is a stranger. Stays so for as long as the process runs. */
	get isInForce(): boolean {
		return this.#isInForce;
	}

	get size(): number {
		return this.#rows.size;
	}

	/** Whether any token has the scope. */
	has(scope: Scope): boolean {
		return [...this.#rows.values()].some(({ entry }) => entry.scopes.includes(scope));
	}

	/** Puts these tokens in the place of those before. One that stays keeps what it has used up, unless its limit is another. */
	replace(entries: readonly TokenEntry[]): void {
		const rows = new Map<string, Row>();
		for (const entry of entries) {
			const digest = Buffer.from(entry.sha256, 'hex');
			const key = this.#keyOf(digest);
			rows.set(key, { entry, digest, ...this.#metersOf(entry, this.#rows.get(key)) });
		}
		this.#rows = rows;
		this.#isInForce = true;
	}

	find(token: string): TokenHolder | undefined {
		if (!TOKEN_SHAPE.test(token)) return undefined;
		const digest = hash('sha256', token, 'buffer');
		const row = this.#rows.get(this.#keyOf(digest));
		return row !== undefined && timingSafeEqual(row.digest, digest) ? row : undefined;
	}

	#keyOf(digest: Uint8Array): string {
		return hash('sha256', Buffer.concat([this.#key, digest]), 'base64');
	}

	#metersOf(entry: TokenEntry, before: Row | undefined): Pick<Row, 'rate' | 'quota'> {
		const { clock, quotaWindowMs: windowMs } = this.#modules;
		const { requestsPerSecond, maxBytes } = entry;
		const hasSame = (member: 'requestsPerSecond' | 'maxBytes') => before?.entry[member] === entry[member];
		const rate = requestsPerSecond === undefined ? undefined : new RequestRate(requestsPerSecond, clock);
		const quota = maxBytes === undefined ? undefined : new ByteQuota({ maxBytes, windowMs, clock });
		return {
			rate: hasSame('requestsPerSecond') ? before?.rate : rate,
			quota: hasSame('maxBytes') ? before?.quota : quota,
		};
	}
}
