/** Puts endpoints on a Fastify instance: routing is Fastify's, everything on the wire is written here or by the handlers. */
import type { ServerResponse } from 'node:http';
import fastifyMultipart from '@fastify/multipart';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { asPerigeeError, PerigeeError } from '../../errors.js';
import { admit } from './admission.js';
import type { UploadAllowance } from '../auth/byte-quota.js';
import type { HttpMethod } from './definitions.js';
import type { Endpoint, RestRequest, ServerContext } from './endpoint.js';
import { type QueryCheck, queryCheckOf } from './query-parameters.js';
import { RouteMeter } from './route-meter.js';
import { sendProblem, withExtras } from './problem.js';

const METHODS: readonly HttpMethod[] = ['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS'];

const SHOWN_CHARACTERS = 200;

/** Mounts all endpoints, and problem JSON for whatever does not reach one. */
export async function mount<C extends ServerContext>(
	app: FastifyInstance,
	context: C,
	endpoints: readonly Endpoint<C>[],
): Promise<void> {
	// Bodies of PUT and PATCH are files of any type: the handler takes the socket as it is, and no parser looks at the type.
	for (const method of ['PUT', 'PATCH']) app.addHttpMethod(method, { hasBody: false, overrideExisting: true });
	app.removeAllContentTypeParsers();
	const unmatched = new RouteMeter(context.metrics, 'unmatched');
	app.setNotFoundHandler((request, reply) => {
		answerFailure(context, request, reply, unmatched, unroutable(app, request));
	});
	app.setErrorHandler((error, request, reply) => {
		answerFailure(context, request, reply, unmatched, frameworkError(error));
	});
	// Where nothing takes a body, whoever refuses one says so.
	if (!endpoints.some(({ multipart }) => multipart))
		app.addContentTypeParser('*', (_request, _payload, done) => done(null));
	for (const endpoint of endpoints) {
		if (!endpoint.multipart && !endpoint.anyBody) mountOne(app, context, endpoint);
	}
	await app.register(async (bodies) => {
		if (!bodies.hasContentTypeParser('*')) bodies.addContentTypeParser('*', (_request, _payload, done) => done(null));
		for (const endpoint of endpoints) if (endpoint.anyBody) mountOne(bodies, context, endpoint);
	});
	await app.register(async (forms) => {
		await forms.register(fastifyMultipart);
		// Anything else is refused by the handler, with the hint that belongs there.
		forms.addContentTypeParser('*', (_request, _payload, done) => done(null));
		for (const endpoint of endpoints) {
			if (endpoint.multipart === true) mountOne(forms, context, endpoint);
		}
	});
}

/** Answers a request that Fastify turned away before any handler, or that has no route. */
export function answerFailure(
	context: ServerContext,
	request: FastifyRequest,
	reply: FastifyReply,
	meter: RouteMeter,
	error: PerigeeError,
): void {
	reply.hijack();
	try {
		if (context.cors?.answers(request.raw, reply.raw) !== true) throw error;
	} catch (cause) {
		fail(context, request, reply.raw, cause);
	}
	meter.record(request.method, reply.raw.statusCode, 0);
}

function mountOne<C extends ServerContext>(app: FastifyInstance, context: C, endpoint: Endpoint<C>): void {
	const { methods, url } = endpoint.definition;
	const asksFirst = endpoint.cors !== undefined && !methods.includes('OPTIONS');
	const mounted = {
		endpoint,
		asksFirst,
		checkQuery: queryCheckOf(endpoint.definition),
		meter: new RouteMeter(context.metrics, url),
	};
	app.route({
		method: asksFirst ? [...methods, 'OPTIONS'] : [...methods],
		url: url.replace(/\{(?:name|path)\}$/, '*').replaceAll(/\{(\w+)\}/g, ':$1'),
		exposeHeadRoute: false,
		handler(request, reply) {
			reply.hijack();
			void serve(context, mounted, request as RestRequest, reply.raw);
		},
	});
}

interface Mounted<C extends ServerContext> {
	readonly endpoint: Endpoint<C>;
	/** Of OPTIONS it takes the question alone that a browser asks before (preflight). */
	readonly asksFirst: boolean;
	readonly checkQuery: QueryCheck;
	readonly meter: RouteMeter;
}

/** Runs a handler and measures it. Never rejects. */
async function serve<C extends ServerContext>(
	context: C,
	{ endpoint, asksFirst, checkQuery, meter }: Mounted<C>,
	request: RestRequest,
	response: ServerResponse,
): Promise<void> {
	const startedMs = performance.now();
	let status = 0;
	let allowance: UploadAllowance | undefined;
	context.answering.set(request.raw.socket, response);
	try {
		const cors = endpoint.cors ?? context.cors;
		if (cors?.answers(request.raw, response) !== true) {
			if (asksFirst && request.raw.method === 'OPTIONS') throw notAllowed('OPTIONS', endpoint.definition.methods);
			for (const name in endpoint.always) response.setHeader(name, endpoint.always[name] ?? '');
			(endpoint.guard ?? context.guard)?.(request.raw);
			allowance = admit(context, endpoint, request.raw);
			checkQuery(request.query);
			await endpoint.handle(context, request, response);
		}
	} catch (error) {
		status = fail(context, request, response, error, endpoint.sendError);
	}
	allowance?.settle();
	meter.record(request.raw.method ?? '', status || response.statusCode, (performance.now() - startedMs) / 1000);
}

/** Turns an error into an answer, or cuts the connection when an answer has begun. The status that is counted. */
function fail(
	context: ServerContext,
	request: FastifyRequest,
	response: ServerResponse,
	cause: unknown,
	sendError = sendProblem,
): number {
	const error = asPerigeeError(cause);
	context.metrics.errors.inc({ code: error.code });
	if (error.code === 'INTERNAL' || error.code === 'DATA_DAMAGED') {
		const { id, method, url } = request;
		context.log.error({ requestId: id, method, url, code: error.code, err: error.cause ?? error }, error.message);
	}
	if (response.headersSent) response.destroy();
	else if (!response.destroyed) sendError(request.raw, response, error, request.id, context.clock);
	return error.code === 'CLIENT_GONE' ? 499 : response.statusCode;
}

function unroutable(app: FastifyInstance, request: FastifyRequest): PerigeeError {
	const { method } = request;
	const path = request.url.split('?')[0] ?? '';
	const takes = (asked: string, url: string): boolean => app.findRoute({ method: asked, url }) !== null;
	// A slash too many or too few at the end is easily overlooked.
	const twin = path.endsWith('/') ? path.slice(0, -1) : `${path}/`;
	const hint = twin !== '' && takes(method, twin) ? ` ${method} is taken at ${twin.slice(0, SHOWN_CHARACTERS)}.` : '';
	const allowed = METHODS.filter((each) => takes(each, path));
	if (allowed.length === 0)
		return new PerigeeError('NOT_FOUND', `Nothing answers at ${path.slice(0, SHOWN_CHARACTERS)}.${hint}`);
	return notAllowed(method, allowed, hint);
}

function notAllowed(method: string, allowed: readonly HttpMethod[], hint = ''): PerigeeError {
	const list = `${allowed.join(', ')} ${allowed.length === 1 ? 'is' : 'are'}`;
	return withExtras(new PerigeeError('METHOD_NOT_ALLOWED', `${method} is not allowed here; ${list}.${hint}`), {
		headers: ['Allow', allowed.join(', ')],
	});
}

/** Fastify's own errors carry a status. */
export function frameworkError(error: unknown): PerigeeError {
	if (error instanceof PerigeeError) return error;
	const { statusCode, message } = error as { readonly statusCode?: number; readonly message?: string };
	if (statusCode === 415) return new PerigeeError('NOT_MULTIPART', undefined, { cause: error });
	if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
		return new PerigeeError('BAD_REQUEST', message, { cause: error });
	}
	return asPerigeeError(error);
}
