/** Access as on a node without tokens, where everybody may do everything; and with the tokens of a test. */
import { Access, type TokenNeeds } from '../../src/api/auth/access.js';
import type { Scope } from '../../src/api/auth/scopes.js';
import { makeToken, sha256OfToken, type TokenEntry } from '../../src/api/auth/token-file.js';
import { TokenRegistry } from '../../src/api/auth/token-registry.js';
import { type Clock, systemClock } from '../../src/io/clock.js';
import { systemRandomness } from '../../src/io/randomness.js';

const NEVER: TokenNeeds = { read: 'never', write: 'never', admin: 'never' };

export function openAccess(): Access {
	return new Access(emptyRegistry(), NEVER);
}

export function emptyRegistry(clock: Clock = systemClock): TokenRegistry {
	return new TokenRegistry({ clock, randomness: systemRandomness, quotaWindowMs: 86_400_000 });
}

/** A token and its entry, with any limits. */
export function tokenFor(
	name: string,
	scopes: readonly Scope[],
	limits: Pick<TokenEntry, 'maxBytes' | 'requestsPerSecond'> = {},
): { readonly token: string; readonly entry: TokenEntry; readonly bearer: string } {
	const token = makeToken(systemRandomness);
	const entry = { name, scopes, sha256: sha256OfToken(token), createdAt: '2026-11-22T12:00:00.000Z', ...limits };
	return { token, entry, bearer: `Bearer ${token}` };
}
