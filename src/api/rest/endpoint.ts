/** An endpoint: its definition and what answers it; and what all of them share. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyRequest } from 'fastify';
import type { Logger } from 'pino';
import type { Clock } from '../../io/clock.js';
import type { Randomness } from '../../io/randomness.js';
import type { FileStore } from '../../log-layer/types.js';
import type { MiningControl } from '../../pora/mining-status.js';
import type { Metrics } from '../../metrics/metrics.js';
import type { Access } from '../auth/access.js';
import type { UploadAllowance } from '../auth/byte-quota.js';
import type { CallBodies } from '../rpc/call-bodies.js';
import type { Cors } from './cors.js';
import type { DownloadWatch } from './download-watch.js';
import type { EndpointDefinition } from './definitions.js';
import type { DirectoryReader } from './directory-reader.js';
import type { sendProblem } from './problem.js';
import type { UploadWatch } from './upload-watch.js';

/** What every listener needs. Everything is passed in; nothing is global. */
export interface ServerContext {
	readonly metrics: Metrics;
	readonly clock: Clock;
	readonly log: Pick<Logger, 'error' | 'warn'>;
	/** The answer that each connection waits for, or got last. */
	readonly answering: WeakMap<Socket, ServerResponse>;
	/** Who may do what here. */
	readonly access: Access;
	/** Which pages of other sites may ask; absent: none. */
	readonly cors?: Cors;
	/** What requests that upload with a limited token may still take. */
	readonly allowances: WeakMap<IncomingMessage, UploadAllowance>;
	/** Throws for a request that no handler may see. */
	readonly guard?: (request: IncomingMessage) => void;
}

/** What a handler of REST may use. */
export interface RestContext extends ServerContext {
	readonly store: FileStore;
	readonly mining: Pick<MiningControl, 'status'>;
	/** Brings gauges up to date before the registry is rendered. */
	readonly refreshMetrics: () => void | Promise<void>;
	readonly version: string;
	/** api.publicUrl; '' when it is not set. */
	readonly publicUrl: string;
	readonly maxFileBytes: number;
	readonly uploads: UploadWatch;
	/** Bodies that are needed whole. */
	readonly bodies: CallBodies;
	readonly downloads: DownloadWatch;
	readonly directories: DirectoryReader;
	readonly randomness: Randomness;
}

/** Fastify's request as the handlers use it: routed and with its address taken apart, body untouched. */
export type RestRequest = FastifyRequest & {
	readonly raw: IncomingMessage;
	readonly params: Readonly<Record<string, string>>;
	/** Only what the definition declares. */
	readonly query: Readonly<Record<string, string | undefined>>;
};

/** Answers on `response`. A rejection with nothing sent yet becomes problem JSON; later it cuts the connection. */
export type Handler<C extends ServerContext> = (
	context: C,
	request: RestRequest,
	response: ServerResponse,
) => Promise<void>;

export interface Endpoint<C extends ServerContext = RestContext> {
	readonly definition: EndpointDefinition;
	/** Headers of every answer, refusals included. */
	readonly always?: Readonly<Record<string, string>>;
	readonly handle: Handler<C>;
	/** How it tells of errors, where that is not as problem JSON. */
	readonly sendError?: typeof sendProblem;
	/** Which pages of other sites may ask, where that is not what cors.origins says. */
	readonly cors?: Cors;
	/** Throws for a request that its handler may not see; in the place of the listener's. */
	readonly guard?: (request: IncomingMessage) => void;
	/** The body is a multipart form; everything else is handed over as it comes. */
	readonly multipart?: true;
	/** The body is handed over as it comes, whatever its type; needed for POST alone, of which Fastify would read the body. */
	readonly anyBody?: true;
	/** It counts the bytes of its body as they come (`metered`); else bodies under a quota must tell their length. */
	readonly countsBody?: true;
}
