/** What answers the admin listener. */
import type { Static } from 'typebox';
import { PerigeeError } from '../../errors.js';
import { LIMITS } from '../../limits.js';
import type { DamageEntry } from '../../log-layer/damage.js';
import type { ScrubStatus, StoreAdmin } from '../../log-layer/types.js';
import type { MiningControl } from '../../pora/mining-status.js';
import type { Endpoint, ServerContext } from '../rest/endpoint.js';
import { miningBodyOf } from '../rest/mining.js';
import { NO_STORE, sendJson } from '../rest/json.js';
import { ADMIN_ENDPOINTS, type DAMAGE_PAGE, type SCRUB_STATE } from './definitions.js';

export interface AdminContext extends ServerContext {
	readonly admin: StoreAdmin;
	readonly mining: MiningControl;
}

const DEFAULT_LIMIT = 100;

const scrub: Endpoint<AdminContext> = {
	definition: ADMIN_ENDPOINTS.scrub,
	async handle({ admin }, _request, response) {
		sendJson(response, 200, scrubBodyOf(admin.scrub.status()), NO_STORE);
	},
};

const scrubStart: Endpoint<AdminContext> = {
	definition: ADMIN_ENDPOINTS.scrubStart,
	async handle({ admin }, _request, response) {
		sendJson(response, 200, scrubBodyOf(admin.scrub.start()), NO_STORE);
	},
};

const scrubPause: Endpoint<AdminContext> = {
	definition: ADMIN_ENDPOINTS.scrubPause,
	async handle({ admin }, _request, response) {
		sendJson(response, 200, scrubBodyOf(admin.scrub.pause()), NO_STORE);
	},
};

const mining: Endpoint<AdminContext> = {
	definition: ADMIN_ENDPOINTS.mining,
	async handle(context, _request, response) {
		sendJson(response, 200, miningBodyOf(context.mining.status()), NO_STORE);
	},
};

const miningStart: Endpoint<AdminContext> = {
	definition: ADMIN_ENDPOINTS.miningStart,
	async handle(context, _request, response) {
		context.mining.start();
		sendJson(response, 200, miningBodyOf(context.mining.status()), NO_STORE);
	},
};

const miningStop: Endpoint<AdminContext> = {
	definition: ADMIN_ENDPOINTS.miningStop,
	async handle(context, _request, response) {
		context.mining.stop();
		sendJson(response, 200, miningBodyOf(context.mining.status()), NO_STORE);
	},
};

const errors: Endpoint<AdminContext> = {
	definition: ADMIN_ENDPOINTS.errors,
	async handle({ admin }, request, response) {
		const after = wholeOf(request.query['after'], 'after', 0, 0, Number.MAX_SAFE_INTEGER);
		const limit = wholeOf(request.query['limit'], 'limit', DEFAULT_LIMIT, 1, LIMITS.damagePageEntries);
		// One more than asked for tells whether there is a next page.
		const entries = admin.damage(after, limit + 1);
		const page = entries.slice(0, limit);
		const last = page.at(-1);
		const body: Static<typeof DAMAGE_PAGE> = {
			errors: page.map(damagedBodyOf),
			...(entries.length > limit && last ? { next: last.id } : {}),
		};
		sendJson(response, 200, body, NO_STORE);
	},
};

export const ADMIN_LISTENER: readonly Endpoint<AdminContext>[] = [
	scrub,
	scrubStart,
	scrubPause,
	mining,
	miningStart,
	miningStop,
	errors,
];

function wholeOf(text: string | undefined, name: string, fallback: number, least: number, most: number): number {
	if (text === undefined) return fallback;
	const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
	if (value >= least && value <= most) return value;
	throw new PerigeeError('BAD_REQUEST', `${name} is a whole number from ${least} to ${most}.`);
}

function scrubBodyOf(status: ScrubStatus): Static<typeof SCRUB_STATE> {
	const { state, pass, last, nextMs, damagedSegments, damagedStretches } = status;
	return {
		state,
		...(pass
			? { pass: { ...passBodyOf(pass), phase: pass.position.phase, percent: Math.floor(100 * pass.progress) } }
			: {}),
		...(last ? { last: { ...passBodyOf(last), endedAt: isoTime(last.endedMs) } } : {}),
		...(nextMs === undefined ? {} : { nextAt: isoTime(nextMs) }),
		damagedSegments,
		damagedStretches,
	};
}

function passBodyOf(pass: Pick<NonNullable<ScrubStatus['last']>, 'startedMs' | 'segments' | 'bytes' | 'damaged'>) {
	const { startedMs, segments, bytes, damaged } = pass;
	return { startedAt: isoTime(startedMs), segments, bytes, damaged };
}

function damagedBodyOf(entry: DamageEntry): Static<typeof DAMAGE_PAGE>['errors'][number] {
	const { id, foundMs } = entry;
	const foundAt = isoTime(foundMs);
	if ('segment' in entry) {
		const { root, segment, reason, lane, fileNo, offset, foundBy } = entry.segment;
		return { id, kind: 'segment', reason, root, segment, lane, file: fileNo, from: offset, foundBy, foundAt };
	}
	const { reason, lane, fileNo, from, to, foundBy } = entry.stretch;
	const givenUp = entry.isGivenUp ? { givenUp: true } : {};
	return { id, kind: 'stretch', reason, lane, file: fileNo, from, to, ...givenUp, foundBy, foundAt };
}

function isoTime(ms: number): string {
	return new Date(ms).toISOString();
}
