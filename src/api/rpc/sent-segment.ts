/** Takes a segment with its proof out of JSON. Its data stay base64 until somebody has a place for the bytes. */
import { LIMITS } from '../../limits.js';
import { decodeBase64 } from '../../native/addon.js';
import { bytesOfHex } from '../../units.js';
import { JsonObject, LongText, type JsonNode } from './json-reader.js';
import { place, rootOf, u64Of, wrongType } from './param-values.js';
import { unreadableParams } from './rpc-error.js';
import type { SentSegment } from './segments.js';

/** A segment that does not say of which file it is. */
export type SentPiece = Omit<SentSegment, 'root' | 'fileSize'>;

/** `start`: where the parameter begins, of which the segment is all or a part. Errors: RpcError. */
export function segmentOf(node: JsonNode, start: number): SentSegment {
	const root = rootOf(member(node, 'root', start), start);
	const piece = pieceOf(node, start);
	const fileSize = u64Of(member(node, 'fileSize', start), start);
	return { root, fileSize, ...piece };
}

/** The same without what names the file. */
export function pieceOf(node: JsonNode, start: number): SentPiece {
	const data = base64Of(member(node, 'data', start), start);
	const index = u64Of(member(node, 'index', start), start);
	const proof = member(node, 'proof', start);
	const lemma = items(member(proof, 'lemma', start), start).map((one) => bytesOfHex(rootOf(one, start)));
	const path = items(member(proof, 'path', start), start).map((one) => boolOf(one, start));
	return { index, proof: { lemma, path }, ...data };
}

function member(node: JsonNode, name: string, start: number): JsonNode {
	if (!(node.value instanceof JsonObject)) throw wrongType(node, 'a map', start);
	const found = node.value.members.get(name);
	if (!found) throw unreadableParams(`missing field \`${name}\`${place(node, start)}`);
	return found;
}

/** The members of a list that is short enough to be part of a proof. */
function items(node: JsonNode, start: number): readonly JsonNode[] {
	if (!Array.isArray(node.value)) throw wrongType(node, 'a sequence', start);
	const list = node.value as readonly JsonNode[];
	if (list.length > LIMITS.proofItems)
		throw unreadableParams(`a proof has at most ${LIMITS.proofItems} hashes${place(node, start)}`);
	return list;
}

function boolOf(node: JsonNode, start: number): boolean {
	if (typeof node.value !== 'boolean') throw wrongType(node, 'a boolean', start);
	return node.value;
}

function base64Of(node: JsonNode, start: number): Pick<SentSegment, 'lengthBytes' | 'copyTo'> {
	const { value } = node;
	if (typeof value !== 'string' && !(value instanceof LongText)) throw wrongType(node, 'a base64 string', start);
	const text = typeof value === 'string' ? Buffer.from(value) : value.bytes;
	const padding = text.at(-1) === PAD ? (text.at(-2) === PAD ? 2 : 1) : 0;
	if (text.length % 4 !== 0) throw unreadableParams(`Invalid base64 length ${text.length}${place(node, start)}`);
	const lengthBytes = (text.length / 4) * 3 - padding;
	const copyTo = (into: Uint8Array): void => {
		if (decodeBase64(text, into) !== lengthBytes) throw unreadableParams(`Invalid base64 text${place(node, start)}`);
	};
	return { lengthBytes, copyTo };
}

const PAD = 0x3d;
