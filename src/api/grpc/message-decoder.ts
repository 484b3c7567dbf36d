/**
 * Puts the messages of a call together from what comes of its stream. grpc-js joins each large message in memory of its own, which costs more than the
 * copy: the system has to clear fresh pages for it, and the collector to find them. Here large messages are gathered, as their bytes come, in buffers
 * that are used again, as soon as whoever has read a message says so.
 */
import { LIMITS } from '../../limits.js';

/** Compression flag u8, length u32, big-endian. */
const PREFIX_BYTES = 5;
/** Smaller messages are not worth a buffer. */
const LARGE_BYTES = 128 * 1024;

/** Buffers for the largest message. What is not given back is left to the collector. */
export class MessageBuffers {
	readonly #idle: Buffer[] = [];

	take(): Buffer {
		return this.#idle.pop() ?? Buffer.allocUnsafeSlow(PREFIX_BYTES + LIMITS.grpcMessageBytes);
	}

	/** Nobody reads it any more. */
	give(buffer: Buffer): void {
		if (this.#idle.length < LIMITS.grpcIdleBuffers) this.#idle.push(buffer);
	}
}

/** Of one call; it stands in the place of the decoder of grpc-js, and answers as that does. */
export class MessageDecoder {
	readonly #buffers: MessageBuffers;
	readonly #prefix = Buffer.alloc(PREFIX_BYTES);
	#prefixBytes = 0;
	/** With its prefix. */
	#message: Buffer | undefined;
	#filled = 0;
	/** Buffers of large messages of this call. */
	readonly #taken: Buffer[] = [];

	constructor(buffers: MessageBuffers) {
		this.#buffers = buffers;
	}

	/** The messages, each with its prefix, that are whole now. Errors: an Error when one is too long. */
	write(data: Buffer): Buffer[] {
		const messages: Buffer[] = [];
		for (let at = 0; at < data.length; ) {
			if (!this.#message) {
				const bytes = Math.min(PREFIX_BYTES - this.#prefixBytes, data.length - at);
				data.copy(this.#prefix, this.#prefixBytes, at, at + bytes);
				this.#prefixBytes += bytes;
				at += bytes;
				if (this.#prefixBytes < PREFIX_BYTES) break;
				this.#message = this.#begin(this.#prefix.readUInt32BE(1));
			}
			const bytes = Math.min(this.#message.length - this.#filled, data.length - at);
			data.copy(this.#message, this.#filled, at, at + bytes);
			this.#filled += bytes;
			at += bytes;
			if (this.#filled < this.#message.length) break;
			messages.push(this.#message);
			this.#message = undefined;
			this.#prefixBytes = 0;
		}
		return messages;
	}

	/** Nobody reads the messages of this call any more. */
	release(): void {
		for (const buffer of this.#taken.splice(0)) this.#buffers.give(buffer);
	}

	#begin(bytes: number): Buffer {
		if (bytes > LIMITS.grpcMessageBytes)
			throw new Error(`Received message larger than max (${bytes} vs ${LIMITS.grpcMessageBytes})`);
		const isLarge = bytes >= LARGE_BYTES;
		const buffer = isLarge ? this.#buffers.take() : Buffer.allocUnsafe(PREFIX_BYTES + bytes);
		if (isLarge) this.#taken.push(buffer);
		this.#prefix.copy(buffer);
		this.#filled = PREFIX_BYTES;
		return buffer.subarray(0, PREFIX_BYTES + bytes);
	}
}
