/** POST /file/segment: a segment of a submitted file with its proof, by the checks of JSON-RPC (spec log-layer §8.3). */
import { PerigeeError } from '../../../errors.js';
import { LIMITS } from '../../../limits.js';
import type { FileStore, StoredFile } from '../../../log-layer/types.js';
import { proofRefusal } from '../../../native/segment-proof.js';
import { refuseOtherTypes } from '../../rpc/call-bodies.js';
import { JsonError, JsonObject, readJson } from '../../rpc/json-reader.js';
import { upload } from '../../rpc/methods/uploads.js';
import { Params } from '../../rpc/params.js';
import { RpcError } from '../../rpc/rpc-error.js';
import { plausibleSegment, refuseOddLength, type SentSegment } from '../../rpc/segments.js';
import { pieceOf, type SentPiece } from '../../rpc/sent-segment.js';
import { ENDPOINTS } from '../definitions.js';
import type { Endpoint } from '../endpoint.js';
import { gatewayEndpoint, Reply } from './envelope.js';
import { type Cid, fileOfCid, invalid } from './lookup.js';

export const gatewaySegment: Endpoint = {
	...gatewayEndpoint(ENDPOINTS.gatewaySegment, async ({ store, bodies }, { raw }, response) => {
		refuseOtherTypes(raw);
		if (bodies.isTooLong(raw))
			throw new PerigeeError('BODY_TOO_LARGE', `The body is larger than ${bodies.maxBytes} bytes.`);
		return bodies.read(raw, response, (body) => replyTo(store, body));
	}),
	anyBody: true,
};

async function replyTo(store: FileStore, body: Buffer): Promise<Reply> {
	try {
		const asked = questionOf(body);
		return asked instanceof Reply ? asked : await put(store, asked);
	} catch (error) {
		if (error instanceof JsonError) return invalid(`The body is no JSON: ${error.message}`);
		if (error instanceof RpcError) return invalid(error.data ?? error.message);
		throw error;
	}
}

interface Question {
	readonly cid: Cid;
	readonly piece: SentPiece;
}

/** Errors: JsonError, RpcError. */
function questionOf(body: Buffer): Question | Reply {
	const node = readJson(body, { values: LIMITS.rpcValues, depth: LIMITS.rpcDepth });
	if (!(node.value instanceof JsonObject)) return invalid('The body is no JSON object');
	const data = node.value.members.get('data')?.value ?? '';
	if (data === '') return invalid('Segment data is empty');
	const params = new Params(node);
	const cid = params.optionalU64('txSeq') ?? params.optionalRoot('root');
	if (cid === undefined) return invalid("Either 'root' or 'txSeq' must be provided");
	if ((params.optionalU64('expectedReplica') ?? 1n) > 1n)
		return invalid('expectedReplica is more than 1: this node is the only one');
	return { cid, piece: pieceOf(node, node.from) };
}

/** What was sent before counts as sent now. Errors: RpcError. */
async function put(store: FileStore, { cid, piece }: Question): Promise<Reply> {
	const file = await fileOfCid(store, cid);
	if (!file) return new Reply(101);
	if (file.deleted) return new Reply(102);
	const segment = { ...piece, root: file.root, fileSize: BigInt(file.sizeBytes) };
	if (!file.isShardHeld) await upload(store, [segment], () => Promise.resolve(file), true);
	else if (!isProved(file, segment)) return invalid('The proof does not lead from the segment to the data root');
	return new Reply(0, 'Succeeded to upload segment');
}

/** Of a file of which all is here that is to be here nothing is stored, but what is wrong is not called good. Errors: RpcError. */
function isProved(file: StoredFile, sent: SentSegment): boolean {
	refuseOddLength(sent);
	const { index, proof } = plausibleSegment(sent);
	const bytes = Buffer.allocUnsafeSlow(sent.lengthBytes);
	sent.copyTo(bytes);
	return proofRefusal(file, index, bytes, proof, false) === null;
}
