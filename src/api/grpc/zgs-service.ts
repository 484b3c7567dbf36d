/** zgs_grpc.ZgsGrpcService, the gRPC of a 0G storage node (spec log-layer §5): segments with proofs, by the same checks as over JSON-RPC. */
import { status, type sendUnaryData, type ServerUnaryCall, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { LIMITS } from '../../limits.js';
import { gather } from '../../native/addon.js';
import { HASH_BYTES, rootFromBytes } from '../../units.js';
import { bySeq, upload } from '../rpc/methods/uploads.js';
import { RpcError } from '../rpc/rpc-error.js';
import type { SentSegment } from '../rpc/segments.js';
import type { GrpcContext } from './context.js';
import { refuse } from './failure.js';

interface PingMessage {
	readonly message: string;
}

interface SegmentMessage {
	readonly root: { readonly value: Buffer } | null;
	readonly data: Buffer;
	readonly index: string;
	readonly proof: { readonly lemma: readonly Buffer[]; readonly path: readonly boolean[] } | null;
	readonly fileSize: string;
}

interface SegmentsMessage {
	readonly segments?: readonly SegmentMessage[];
	readonly txSeq?: string;
}

/** A message that says no segment. */
class BadSegmentError extends Error {}

export function zgsService(context: GrpcContext): UntypedServiceImplementation {
	return {
		Ping({ request }: ServerUnaryCall<Partial<PingMessage>, PingMessage>, answer: sendUnaryData<PingMessage>) {
			answer(null, { message: `Echo: ${request.message ?? ''}` });
		},
		UploadSegmentsByTxSeq(call: ServerUnaryCall<SegmentsMessage, object>, answer: sendUnaryData<object>) {
			const watched = context.calls.of(call);
			// Whoever breaks a call off has not taken its messages away.
			const release = context.calls.hold(watched);
			put(context, call.request).then(
				() => {
					// Whoever was refused may have left somebody who still reads.
					watched.releaseMessages();
					release();
					answer(null, {});
				},
				(error: unknown) => {
					release();
					if (error instanceof BadSegmentError)
						answer({ code: status.INVALID_ARGUMENT, details: `Invalid segment: ${error.message}` });
					else if (error instanceof RpcError)
						answer({ code: status.INTERNAL, details: `Failed to put segment: ${textOf(error)}` });
					else refuse(context, call, error);
				},
			);
		},
	};
}

async function put({ store }: GrpcContext, { segments, txSeq }: SegmentsMessage): Promise<void> {
	// A message that could not be read.
	if (!segments || txSeq === undefined) throw new BadSegmentError('the message cannot be read');
	await upload(store, segments.map(sentSegment), bySeq(store, BigInt(txSeq)), false);
}

function sentSegment({ root, data, index, proof, fileSize }: SegmentMessage): SentSegment {
	if (!root) throw new BadSegmentError('root is missing');
	if (!proof) throw new BadSegmentError('proof is missing');
	if (proof.lemma.length > LIMITS.proofItems || proof.path.length > LIMITS.proofItems)
		throw new BadSegmentError(`a proof has at most ${LIMITS.proofItems} hashes`);
	return {
		root: rootFromBytes(hash(root.value)),
		index: BigInt(index),
		fileSize: BigInt(fileSize),
		proof: { lemma: proof.lemma.map(hash), path: proof.path },
		lengthBytes: data.length,
		// By the engine a copy into shared memory goes byte by byte, unless both sides lie at multiples of eight.
		copyTo: (into) => void gather(into, [data]),
	};
}

function hash(bytes: Buffer): Buffer {
	if (bytes.length !== HASH_BYTES)
		throw new BadSegmentError(`Invalid hash length: got ${bytes.length}, want ${HASH_BYTES}`);
	return bytes;
}

function textOf({ message, data }: RpcError): string {
	return data === undefined ? message : `${message}; data: ${data}`;
}
