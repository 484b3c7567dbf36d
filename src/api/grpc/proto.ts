/** The services as grpc-js takes them: out of the .proto files, with the quick way for messages that hold a chunk. */
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { load, type PackageDefinition } from '@grpc/proto-loader';
import { protoPath as healthProto } from 'grpc-health-check';
import { packageFolder } from '../../config/package-file.js';
import { chunkOf } from './codec.js';
import type { DownloadPart, UploadOptionsMessage, UploadPart } from './messages.js';

const FILES_PROTO = 'perigee/v1/files.proto';
const ZGS_PROTO = 'zgs_grpc/zgs.proto';
export const FILES_SERVICE = 'perigee.v1.Files';
export const ZGS_SERVICE = 'zgs_grpc.ZgsGrpcService';
export const HEALTH_SERVICE = 'grpc.health.v1.Health';

export interface Services {
	readonly files: ServiceDefinition;
	readonly zgs: ServiceDefinition;
	/** Everything that reflection tells about. */
	readonly described: PackageDefinition;
}

interface GeneralUploadRequest {
	readonly part?: 'options' | 'chunk' | 'end';
	readonly options?: UploadOptionsMessage;
	readonly chunk?: Buffer;
}

/** Reads the .proto files. */
export async function loadServices(): Promise<Services> {
	const described = await load([FILES_PROTO, ZGS_PROTO, healthProto], {
		includeDirs: [packageFolder('proto')],
		longs: String,
		enums: String,
		defaults: true,
		oneofs: true,
	});
	const service = (name: string): ServiceDefinition => {
		const methods = Object.entries(described[name] as ServiceDefinition);
		return Object.fromEntries(methods.map(([method, definition]) => [method, quickened(method, definition)]));
	};
	return { files: service(FILES_SERVICE), zgs: service(ZGS_SERVICE), described };
}

type AnyMethod = MethodDefinition<object, object>;

function quickened(name: string, method: AnyMethod): AnyMethod {
	const read = method.requestDeserialize;
	const write = method.responseSerialize;
	switch (name) {
		case 'Upload':
			return { ...method, requestDeserialize: (message) => uploadPart(message, read) };
		case 'Download':
			return {
				...method,
				requestDeserialize: (message) => readable(message, read),
				responseSerialize: (part) => (isEncoded(part as DownloadPart) ? part : write(part)) as Buffer,
			};
		default:
			return { ...method, requestDeserialize: (message) => readable(message, read) };
	}
}

function isEncoded(part: DownloadPart): part is Buffer {
	return Buffer.isBuffer(part);
}

/** A message that is none names no file; its handler says so, with a code. */
function readable(message: Buffer, read: (message: Buffer) => object): object {
	try {
		return read(message);
	} catch {
		return {};
	}
}

function uploadPart(message: Buffer, read: (message: Buffer) => object): UploadPart {
	const chunk = chunkOf(message);
	if (chunk) return { chunk };
	const general = readable(message, read) as GeneralUploadRequest;
	if (general.part === 'chunk' && general.chunk) return { chunk: general.chunk };
	if (general.part === 'end') return { end: {} };
	if (general.part !== 'options' || !general.options)
		return { unreadable: 'has neither options, nor a chunk, nor the end' };
	// The general reader takes any bytes for text. What it has read right stands in the message as it is.
	const isText = message.includes(Buffer.from(general.options.name));
	return isText ? { options: general.options } : { unreadable: 'has a name that is not UTF-8' };
}
