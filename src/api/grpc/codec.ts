/**
 * Messages that hold a chunk, by hand: protobuf's field 2 of type `bytes` is a tag, a varint and the bytes. The general reader and writer
 * would copy each chunk once more and walk through every field.
 */
const CHUNK_TAG = 0x12;

/** A message `{ chunk: bytes }`; the bytes are copied. */
export function encodeChunk(bytes: Uint8Array): Buffer {
	const message = Buffer.allocUnsafe(1 + varintBytes(bytes.length) + bytes.length);
	message[0] = CHUNK_TAG;
	let at = 1;
	let rest = bytes.length;
	for (; rest > 0x7f; rest >>>= 7) message[at++] = (rest & 0x7f) | 0x80;
	message[at++] = rest;
	message.set(bytes, at);
	return message;
}

/** The chunk of a message that holds nothing else, as a view of it; undefined for any other message. */
export function chunkOf(message: Buffer): Buffer | undefined {
	if (message[0] !== CHUNK_TAG) return undefined;
	let length = 0;
	let at = 1;
	// Four bytes of length reach far beyond the largest message.
	for (let shift = 0; shift < 28; shift += 7) {
		const byte = message[at++];
		if (byte === undefined) return undefined;
		length |= (byte & 0x7f) << shift;
		if (byte < 0x80) return at + length === message.length ? message.subarray(at) : undefined;
	}
	return undefined;
}

function varintBytes(value: number): number {
	let count = 1;
	for (let rest = value; rest > 0x7f; rest >>>= 7) count++;
	return count;
}
