/** Who may do what on one listener. Knows the text of an Authorization header and nothing of HTTP around it. */
import { PerigeeError } from '../../errors.js';
import { withExtras } from '../rest/problem.js';
import { SCOPES, type Scope } from './scopes.js';
import type { TokenHolder, TokenRegistry } from './token-registry.js';

/** `never`: everybody may. `in force`: a token is asked for once there is a file of tokens; `from afar`: the same on this machine, always elsewhere. */
export type TokenNeed = 'never' | 'in force' | 'from afar' | 'always';

/** What is done: something of a scope, or the upload of segments with their proofs, which needs the scope `write`. */
export type Deed = Scope | 'segments';

/** `segments`: as `write` where it is absent. */
export type TokenNeeds = Readonly<Record<Scope, TokenNeed>> & { readonly segments?: TokenNeed };

export interface Caller {
	/** He was let in with this token before, for something else. */
	readonly isCounted?: boolean;
	/** He is on this machine. */
	readonly isLocal?: boolean;
}

export class Access {
	readonly #registry: TokenRegistry;
	readonly #needs: TokenNeeds;

	constructor(registry: TokenRegistry, needs: TokenNeeds) {
		this.#registry = registry;
		this.#needs = needs;
	}

	/** Whether who wants this must show a token now. One that is shown for what everybody may is not looked at. */
	asksFor(deed: Deed, isLocal = false): boolean {
		const need = deed === 'segments' ? (this.#needs.segments ?? this.#needs.write) : this.#needs[deed];
		if (need === 'never' || need === 'always') return need === 'always';
		return this.#registry.isInForce || (need === 'from afar' && !isLocal);
	}

	/**
	 * Lets a request pass and answers whose it is; undefined where no token is asked for. `authorization`: the header's value.
	 * Errors: UNAUTHORIZED, FORBIDDEN, RATE_LIMITED.
	 */
	admit(authorization: string | undefined, deed: Deed, caller: Caller = {}): TokenHolder | undefined {
		const { isCounted = false, isLocal = false } = caller;
		if (!this.asksFor(deed, isLocal)) return undefined;
		const scope = deed === 'segments' ? 'write' : deed;
		const token = authorization === undefined ? undefined : /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
		if (token === undefined) throw refusal('UNAUTHORIZED', undefined, 'Bearer realm="perigee"');
		const holder = this.#registry.find(token);
		if (holder === undefined)
			throw refusal('UNAUTHORIZED', 'This token is not known here.', 'Bearer realm="perigee", error="invalid_token"');
		const waitMs = isCounted ? 0 : (holder.rate?.take() ?? 0);
		const { name, scopes, requestsPerSecond } = holder.entry;
		if (waitMs > 0)
			throw withExtras(
				new PerigeeError('RATE_LIMITED', `The token ${name} may ask ${requestsPerSecond} times a second.`),
				{
					headers: ['Retry-After', String(Math.ceil(waitMs / 1000))],
				},
			);
		if (scopes.includes(scope)) return holder;
		const may = SCOPES.filter((each) => scopes.includes(each)).join(' and ');
		const challenge = `Bearer realm="perigee", error="insufficient_scope", scope="${scope}"`;
		throw refusal('FORBIDDEN', `This needs the scope ${scope}; the token ${name} is for ${may}.`, challenge);
	}
}

function refusal(code: 'UNAUTHORIZED' | 'FORBIDDEN', message: string | undefined, challenge: string): PerigeeError {
	return withExtras(new PerigeeError(code, message), { headers: ['WWW-Authenticate', challenge] });
}
