/** The gRPC server over connections that somebody else accepts. Loading it costs 150 ms: grpc-server.ts does so with the first connection. */
import type { Socket } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { LIMITS } from '../../limits.js';
import { requestIds } from '../request-ids.js';
import { UploadWatch } from '../rest/upload-watch.js';
import { Calls } from './calls.js';
import type { GrpcContext } from './context.js';
import { filesService } from './files-service.js';
import type { GrpcServerModules, GrpcServerOptions } from './grpc-server.js';
import { addHealth } from './health.js';
import { tuneHttp2 } from './http2-server.js';
import { FILES_SERVICE, HEALTH_SERVICE, loadServices, ZGS_SERVICE } from './proto.js';
import { zgsService } from './zgs-service.js';

export interface GrpcService {
	accept(socket: Socket): void;
	/** Takes no more calls; resolves when those in progress have ended. */
	close(): Promise<void>;
}

const OPTIONS = {
	'grpc.enable_channelz': 0,
	'grpc.max_receive_message_length': LIMITS.grpcMessageBytes,
	'grpc.max_concurrent_streams': LIMITS.grpcStreams,
	'grpc.keepalive_time_ms': LIMITS.grpcKeepaliveMs,
	'grpc.keepalive_timeout_ms': LIMITS.grpcKeepaliveTimeoutMs,
	'grpc.max_connection_idle_ms': LIMITS.grpcIdleMs,
} as const;

/** Errors: those of reading the .proto files. */
export async function buildGrpcService(options: GrpcServerOptions, modules: GrpcServerModules): Promise<GrpcService> {
	const { store, metrics, clock, randomness, log, access } = modules;
	const { files, zgs, described } = await loadServices();
	const newRequestId = requestIds(randomness);
	const { idleTimeoutMs, minBytesPerSecond } = options;
	const calls = new Calls({ metrics, clock, newRequestId, access });
	const context: GrpcContext = {
		store,
		metrics,
		clock,
		log,
		maxFileBytes: options.maxFileBytes,
		uploads: new UploadWatch({ idleTimeoutMs, minBytesPerSecond, clock }),
		downloads: new UploadWatch({ idleTimeoutMs: LIMITS.httpSocketIdleMs, minBytesPerSecond: 0, clock }),
		calls,
	};
	const server = new Server({ ...OPTIONS, interceptors: [calls.interceptor] });
	server.addService(files, filesService(context));
	server.addService(zgs, zgsService(context));
	const health = addHealth(server, store, clock);
	new ReflectionService(described, { services: [FILES_SERVICE, ZGS_SERVICE, HEALTH_SERVICE] }).addToServer(server);
	const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
	tuneHttp2(server, (stream) => {
		calls.arriving = stream;
	});
	return {
		accept: (socket) => injector.injectConnection(socket),
		async close() {
			health.close();
			calls.endSideCalls();
			await new Promise<void>((resolve) => server.tryShutdown(() => resolve()));
		},
	};
}
