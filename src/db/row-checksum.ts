/**
 * Row checksums of the view: CRC-32C over key and value, 4 bytes little-endian behind the stored value. The key is part of it, so that a
 * value that turns up under another key is found too.
 */
import { RowDamagedError } from './kv-engine.js';

/** CRC-32C (Castagnoli) of bytes as an unsigned 32-bit number. */
export type Crc32c = (data: Uint8Array) => number;

const CHECKSUM_BYTES = 4;
const SCRATCH_BYTES = 16_384;

export interface RowChecksum {
	/** The stored form of a value: the value and its checksum. */
	seal(key: Uint8Array, value: Uint8Array): Buffer;
	/** The value of a stored form, as a view of it; throws RowDamagedError when key and value do not match the checksum. */
	open(key: Uint8Array, stored: Buffer): Uint8Array;
}

export function createRowChecksum(crc32c: Crc32c): RowChecksum {
	const scratch = new Uint8Array(SCRATCH_BYTES);

	return {
		seal(key, value) {
			const end = key.byteLength + value.byteLength;
			const row = Buffer.allocUnsafe(end + CHECKSUM_BYTES);
			row.set(key);
			row.set(value, key.byteLength);
			row.writeUInt32LE(crc32c(row.subarray(0, end)) >>> 0, end);
			return row.subarray(key.byteLength);
		},
		open(key, stored) {
			const valueBytes = stored.byteLength - CHECKSUM_BYTES;
			if (valueBytes < 0) throw new RowDamagedError(key);
			const end = key.byteLength + valueBytes;
			const row = end <= SCRATCH_BYTES ? scratch : new Uint8Array(end);
			const value = stored.subarray(0, valueBytes);
			row.set(key);
			row.set(value, key.byteLength);
			if (crc32c(row.subarray(0, end)) >>> 0 !== stored.readUInt32LE(valueBytes)) throw new RowDamagedError(key);
			return value;
		},
	};
}
