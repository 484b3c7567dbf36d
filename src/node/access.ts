/** Who may do what: the file of tokens, read now and whenever it changes, and the starts that it forbids. */
import type { Logger } from 'pino';
import { Access, type TokenNeed } from '../api/auth/access.js';
import type { Scope } from '../api/auth/scopes.js';
import { parseTokenFile } from '../api/auth/token-file.js';
import { TokenRegistry } from '../api/auth/token-registry.js';
import { isLoopback, isSamePlace, type ListenPlace, parseListenPlace } from '../config/listen-address.js';
import { about, refusal } from '../config/refusal.js';
import type { Config } from '../config/schema.js';
import { asPerigeeError, PerigeeError } from '../errors.js';
import type { Clock } from '../io/clock.js';
import type { Randomness } from '../io/randomness.js';
import { readSmallFile, watchFiles } from '../io/small-file.js';
import { LIMITS } from '../limits.js';
import type { Metrics } from '../metrics/metrics.js';

export interface FileModules {
	readonly config: Config;
	readonly metrics: Metrics;
	readonly log: Logger;
	readonly clock: Clock;
	readonly randomness: Randomness;
}

export interface NodeAccess {
	readonly http: Access;
	readonly admin: Access;
	readonly grpc: Access;
	readonly close: () => void;
}

/**
 * Errors: CONFIG_INVALID when the file cannot be used, and when a listener would be open to other machines, or should ask for tokens, and
 * there is none that it would take.
 */
export async function openAccess(modules: FileModules): Promise<NodeAccess> {
	const { config, metrics, log, clock, randomness } = modules;
	const { tokensFile, quotaWindowMs } = config.auth;
	const needs = needsOf(config);
	const registry = new TokenRegistry({ clock, randomness, quotaWindowMs });
	const read = async (): Promise<boolean> => {
		const bytes = await readSmallFile(tokensFile, LIMITS.tokenFileBytes);
		if (bytes === undefined) return false;
		registry.replace(parseTokenFile(bytes.toString('utf8'), tokensFile));
		metrics.tokens.set(registry.size);
		return true;
	};
	const reread = async (): Promise<void> => {
		try {
			// A file that vanishes opens no door.
			if (!(await read())) throw new PerigeeError('CONFIG_INVALID', `${tokensFile} is gone`);
			metrics.reloads.inc({ what: 'tokens', outcome: 'taken' });
			log.info({ tokens: registry.size }, 'the file of tokens was read again');
		} catch (error) {
			if (!registry.isInForce) return;
			metrics.reloads.inc({ what: 'tokens', outcome: 'refused' });
			log.error(
				{ reason: asPerigeeError(error).message },
				'the file of tokens cannot be used; those before stay in force',
			);
		}
	};
	const close = await watchFiles({ paths: [tokensFile], intervalMs: LIMITS.fileLookMs, clock, onChange: reread });
	try {
		await about(['auth.tokensFile'], read);
		for (const need of Object.values(needs)) assertToken(need, registry, config);
		if (config.auth.network === 'official' && !registry.has('write'))
			log.info(
				`uploads and deletions over REST, and uploads over perigee.v1, are refused until there is a token with the scope write (${howToMake('write', config)})`,
			);
	} catch (error) {
		close();
		throw error;
	}
	const segments = config.auth.network === 'official' ? { segments: 'never' as const } : {};
	return {
		http: new Access(registry, {
			read: needs.reads.need,
			write: needs.restWrites.need,
			admin: isSamePlace(parseListenPlace(config.http), parseListenPlace(config.admin))
				? needs.administration.need
				: 'always',
			...segments,
		}),
		grpc: new Access(registry, { read: needs.reads.need, write: needs.grpcWrites.need, admin: 'always', ...segments }),
		admin: new Access(registry, { read: 'always', write: 'always', admin: needs.administration.need }),
		close,
	};
}

interface ScopeNeed {
	/** What asks for the token. */
	readonly setting: string;
	readonly scope: Scope;
	readonly need: TokenNeed;
	/** A start without a token is fine. */
	readonly mayWait?: boolean;
	/** Why a token is always needed. */
	readonly because: string;
	/** What else the operator may do. */
	readonly orElse: string;
}

function needsOf(config: Config) {
	const { admin, auth } = config;
	return {
		reads: {
			setting: 'auth.reads',
			scope: 'read',
			need: auth.reads === 'token' ? 'always' : 'never',
			because: 'auth.reads is token',
			orElse: 'or leave reads open',
		},
		restWrites: needOfWrites(config, 'http', 'upload and delete'),
		grpcWrites: needOfWrites(config, 'grpc', 'upload'),
		administration: {
			setting: 'admin',
			scope: 'admin',
			need: needOfAdministration(config),
			because: `admin is ${admin}, where other machines could administer the node`,
			orElse: 'or keep to 127.0.0.1 or a Unix socket (--admin)',
		},
	} satisfies Record<string, ScopeNeed>;
}

function needOfAdministration({ admin, auth }: Config): TokenNeed {
	const place = parseListenPlace(admin);
	if ('socketPath' in place) return 'never';
	if (!isWide(place)) return 'in force';
	return auth.network === 'official' ? 'from afar' : 'always';
}

function needOfWrites(config: Config, setting: 'http' | 'grpc', harm: string): ScopeNeed {
	const { auth, [setting]: listen } = config;
	const official = auth.network === 'official' && auth.writes !== 'token';
	if (official || isWide(parseListenPlace(listen)))
		return {
			setting,
			scope: 'write',
			need: 'always',
			mayWait: official,
			because: `${setting} is ${listen}, where other machines could ${harm}`,
			orElse: `or listen on 127.0.0.1 (--${setting})`,
		};
	return {
		setting: 'auth.writes',
		scope: 'write',
		need: auth.writes === 'token' ? 'always' : 'in force',
		because: 'auth.writes is token',
		orElse: 'or set auth.writes to auto',
	};
}

/** Errors: CONFIG_INVALID. */
function assertToken(
	{ setting, scope, need, mayWait, because, orElse }: ScopeNeed,
	registry: TokenRegistry,
	config: Config,
): void {
	if (need !== 'always' || mayWait === true || registry.has(scope)) return;
	throw refusal(
		[setting],
		`${because}, but ${config.auth.tokensFile} has no token with the scope ${scope}. ` +
			`Make one (${howToMake(scope, config)}), ${orElse}.`,
	);
}

function howToMake(scope: Scope, { dataDir }: Config): string {
	return `perigee token create <name> --scope ${scope} --data-dir ${dataDir}`;
}

function isWide(place: ListenPlace): boolean {
	return !('socketPath' in place) && !isLoopback(place.host);
}
