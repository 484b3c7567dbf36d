/** What operators and their tools ask: greeting, metrics, health. */
import type { ServerResponse } from 'node:http';
import type { Static } from 'typebox';
import { ENDPOINTS } from './definitions.js';
import type { LIVENESS, READINESS } from './schemas.js';
import type { Endpoint } from './endpoint.js';
import { NO_STORE, sendJson } from './json.js';
import { miningBodyOf } from './mining.js';
import type { DEEP_HEALTH } from './mining-schema.js';
import { originOf } from './origin.js';

export const greeting: Endpoint = {
	definition: ENDPOINTS.greeting,
	async handle(context, request, response) {
		const token = context.access.asksFor('write') ? '-H "Authorization: Bearer $PERIGEE_TOKEN" ' : '';
		sendText(
			response,
			`Perigee ${context.version}\n\nStore a file:\n  curl ${token}-T file ${originOf(request.raw, context.publicUrl)}/v1/upload/\n`,
			['Content-Type', 'text/plain; charset=utf-8'],
		);
	},
};

export const metrics: Endpoint = {
	definition: ENDPOINTS.metrics,
	async handle(context, _request, response) {
		await context.refreshMetrics();
		const { registry } = context.metrics;
		sendText(response, await registry.metrics(), ['Content-Type', registry.contentType]);
	},
};

export const live: Endpoint = {
	definition: ENDPOINTS.live,
	async handle(context, _request, response) {
		const body: Static<typeof LIVENESS> = { status: 'live', version: context.version };
		sendJson(response, 200, body, NO_STORE);
	},
};

export const deep: Endpoint = {
	definition: ENDPOINTS.deep,
	async handle(context, _request, response) {
		const reasons = context.store.health();
		const { state, reason, since } = miningBodyOf(context.mining.status());
		const body: Static<typeof DEEP_HEALTH> = {
			ready: reasons.every((each) => each.ready),
			reasons: [...reasons],
			mining: { state, reason, ...(since === undefined ? {} : { since }) },
		};
		sendJson(response, 200, body, NO_STORE);
	},
};

export const ready: Endpoint = {
	definition: ENDPOINTS.ready,
	async handle(context, _request, response) {
		const reasons = context.store.health();
		const isReady = reasons.every((reason) => reason.ready);
		const body: Static<typeof READINESS> = { ready: isReady, reasons: [...reasons] };
		sendJson(response, isReady ? 200 : 503, body, isReady ? NO_STORE : [...NO_STORE, 'Retry-After', '5']);
	},
};

function sendText(response: ServerResponse, text: string, headers: readonly string[]): void {
	const body = Buffer.from(text);
	response.writeHead(200, [
		...headers,
		'Content-Length',
		String(body.length),
		'X-Content-Type-Options',
		'nosniff',
		...NO_STORE,
	]);
	response.end(body);
}
