/** What the load client can be told to do, and what it answers. Both servers of a comparison get the same jobs. */

interface JobBase {
	/** Of the server, on 127.0.0.1. */
	readonly port: number;
}

/** PUT of one large file over one connection; its content follows from the seed (content.ts). */
export interface UploadJob extends JobBase {
	readonly kind: 'upload';
	readonly name: string;
	/** A multiple of 1 MiB. */
	readonly sizeBytes: number;
	readonly seed: number;
}

/** The same by tus, in several PATCHes over one connection. `locations` has the root. */
export interface TusUploadJob extends JobBase {
	readonly kind: 'tus-upload';
	/** A multiple of `patchBytes`. */
	readonly sizeBytes: number;
	/** Of one PATCH: a multiple of 1 MiB. */
	readonly patchBytes: number;
	readonly seed: number;
}

/** GET of one large file over one connection. */
export interface DownloadJob extends JobBase {
	readonly kind: 'download';
	readonly path: string;
	readonly sizeBytes: number;
	/** Compares every byte with the content of this seed; not for measuring. */
	readonly checkSeed?: number;
}

/** PUTs of many small files, each different. */
export interface SmallPutsJob extends JobBase {
	readonly kind: 'small-puts';
	readonly connections: number;
	readonly count: number;
	readonly sizeBytes: number;
	/** No two jobs on one server may have the same. */
	readonly seed: number;
}

/** GETs of small files, or of random ranges of a large one. */
export interface GetsJob extends JobBase {
	readonly kind: 'gets';
	readonly connections: number;
	readonly count: number;
	/** Each request picks one at random. */
	readonly paths: readonly string[];
	/** Asks for this many bytes from a random place of a file of `fileBytes`. */
	readonly range?: { readonly fileBytes: number; readonly bytes: number };
	readonly seed: number;
	/** Answers a digest over all bodies; not for measuring. */
	readonly digest?: boolean;
}

/** Upload of one large file over gRPC, in chunks of 256 KiB; its content follows from the seed. `locations` has its root. */
export interface GrpcUploadJob extends JobBase {
	readonly kind: 'grpc-upload';
	readonly name: string;
	/** A multiple of 256 KiB. */
	readonly sizeBytes: number;
	readonly seed: number;
}

/** Download of one large file over gRPC. */
export interface GrpcDownloadJob extends JobBase {
	readonly kind: 'grpc-download';
	readonly root: string;
	readonly sizeBytes: number;
	/** Compares every byte with the content of this seed; not for measuring. */
	readonly checkSeed?: number;
}

/** POSTs of JSON-RPC bodies, which lie in files `0` to `count` - 1 of a directory. */
export interface RpcPostsJob extends JobBase {
	readonly kind: 'rpc-posts';
	readonly directory: string;
	readonly count: number;
	readonly connections: number;
	/** What every body must be answered with. */
	readonly answer: string;
}

/** Calls of zgs_grpc with messages that lie, encoded, in files `0` to `count` - 1 of a directory. */
export interface GrpcPostsJob extends JobBase {
	readonly kind: 'grpc-posts';
	readonly directory: string;
	readonly count: number;
	/** Each has one call under way. */
	readonly connections: number;
	/** Path of the method. */
	readonly method: string;
}

export type Job =
	| UploadJob
	| TusUploadJob
	| DownloadJob
	| SmallPutsJob
	| GetsJob
	| GrpcUploadJob
	| GrpcDownloadJob
	| RpcPostsJob
	| GrpcPostsJob;

type WithoutPort<J> = J extends Job ? Omit<J, 'port'> : never;
/** A job for whichever server. */
export type ServerJob = WithoutPort<Job>;

export interface JobResult {
	/** From the first request to the last answer, connections being open. */
	readonly seconds: number;
	readonly requests: number;
	/** Of bodies, sent or received. */
	readonly bytes: number;
	readonly latencyMs: { readonly p50: number; readonly p99: number };
	/** Uploads: the Location of each answer, in the order of the requests. */
	readonly locations: readonly string[];
	/** SHA-256 over the SHA-256 of each body, in the order of the requests. */
	readonly digest?: string;
}
