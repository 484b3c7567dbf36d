/** Little-endian reading and writing of records and rows, with every length checked. */
import { PerigeeError } from './errors.js';

/** Collects fields into one buffer that grows by doubling. */
export class ByteWriter {
	#bytes: Buffer;
	#length = 0;

	constructor(expectedBytes = 256) {
		this.#bytes = Buffer.allocUnsafe(expectedBytes);
	}

	get length(): number {
		return this.#length;
	}

	u8(value: number): this {
		const at = this.#reserve(1);
		this.#bytes.writeUInt8(value, at);
		return this;
	}

	u16(value: number): this {
		const at = this.#reserve(2);
		this.#bytes.writeUInt16LE(value, at);
		return this;
	}

	u32(value: number): this {
		const at = this.#reserve(4);
		this.#bytes.writeUInt32LE(value, at);
		return this;
	}

	u64(value: number | bigint): this {
		const number = Number(value);
		// Two halves are written several times as fast as a bigint.
		if (number >= 0 && Number.isSafeInteger(number)) return this.u32(number % HALF).u32(Math.floor(number / HALF));
		const at = this.#reserve(8);
		this.#bytes.writeBigUInt64LE(BigInt(value), at);
		return this;
	}

	/** Undefined: 2^64 - 1. */
	u64OrNone(value: number | undefined): this {
		return value === undefined ? this.u32(HALF - 1).u32(HALF - 1) : this.u64(value);
	}

	u128(value: bigint): this {
		return this.u64(value & 0xffff_ffff_ffff_ffffn).u64(value >> 64n);
	}

	/** Unsigned LEB128: 7 bits a byte, lowest first. */
	varint(value: number | bigint): this {
		let rest = Number(value);
		if (!Number.isSafeInteger(rest)) return this.#longVarint(BigInt(value));
		while (rest > 0x7f) {
			this.u8((rest & 0x7f) | 0x80);
			rest = Math.floor(rest / 128);
		}
		return this.u8(rest);
	}

	/** A varint of the length, then the UTF-8 bytes. */
	text(value: string): this {
		const count = Buffer.byteLength(value);
		return this.varint(count).utf8(value, count);
	}

	/** The UTF-8 bytes of a text, of which there are `count`. */
	utf8(value: string, count = Buffer.byteLength(value)): this {
		const at = this.#reserve(count);
		this.#bytes.write(value, at, count, 'utf8');
		return this;
	}

	/** Bytes whose length the format fixes. A value of another length is a fault of the caller. */
	fixed(value: Uint8Array, lengthBytes: number): this {
		if (value.length !== lengthBytes) throw new Error(`${value.length} bytes where the format has ${lengthBytes}`);
		return this.raw(value);
	}

	raw(value: Uint8Array): this {
		const at = this.#reserve(value.length);
		this.#bytes.set(value, at);
		return this;
	}

	/** What was written, from byte `from`. It is no copy, and stays as it is: later fields go behind it. */
	toBytes(from = 0): Uint8Array {
		return this.#bytes.subarray(from, this.#length);
	}

	#longVarint(value: bigint): this {
		let rest = value;
		while (rest > 0x7fn) {
			this.u8(Number(rest & 0x7fn) | 0x80);
			rest >>= 7n;
		}
		return this.u8(Number(rest));
	}

	/** Call it before `#bytes` is looked at: it may put a larger buffer there. */
	#reserve(count: number): number {
		const at = this.#length;
		this.#length += count;
		if (this.#length > this.#bytes.length) {
			const larger = Buffer.allocUnsafe(Math.max(this.#length, this.#bytes.length * 2));
			larger.set(this.#bytes.subarray(0, at));
			this.#bytes = larger;
		}
		return at;
	}
}

/**
 * Reads fields one behind another. Answers of `bytes` are views of the input.
 * Errors: FORMAT_UNKNOWN, naming `what`, when a field does not fit.
 */
export class ByteReader {
	readonly #bytes: Buffer;
	readonly #what: string;
	#at = 0;

	constructor(bytes: Uint8Array, what: string) {
		this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
		this.#what = what;
	}

	u8(field: string): number {
		return this.#bytes.readUInt8(this.#take(1, field));
	}

	u16(field: string): number {
		return this.#bytes.readUInt16LE(this.#take(2, field));
	}

	u32(field: string): number {
		return this.#bytes.readUInt32LE(this.#take(4, field));
	}

	u64(field: string): bigint {
		return this.#bytes.readBigUInt64LE(this.#take(8, field));
	}

	/** A u64 that must be exact as a number. */
	safeU64(field: string): number {
		return this.#exact(this.u32(field), this.u32(field), field);
	}

	/** The same; undefined for 2^64 - 1, as `u64OrNone` writes it. */
	safeU64OrNone(field: string): number | undefined {
		const [low, high] = [this.u32(field), this.u32(field)];
		return low === HALF - 1 && high === HALF - 1 ? undefined : this.#exact(low, high, field);
	}

	u128(field: string): bigint {
		const low = this.u64(field);
		return low | (this.u64(field) << 64n);
	}

	varint(field: string): bigint {
		let low = 0;
		for (let unit = 1; unit < LOW_UNITS; unit *= 128) {
			const byte = this.u8(field);
			low += (byte & 0x7f) * unit;
			if (byte < 0x80) return BigInt(low);
		}
		let value = BigInt(low);
		for (let shift = 49n; shift < 70n; shift += 7n) {
			const byte = this.u8(field);
			value |= BigInt(byte & 0x7f) << shift;
			if (byte < 0x80) return value;
		}
		return this.fail(`${field} is no varint`);
	}

	/** A varint that must be exact as a number. */
	safeVarint(field: string): number {
		let value = 0;
		for (let unit = 1; unit <= 2 ** 49; unit *= 128) {
			const byte = this.u8(field);
			value += (byte & 0x7f) * unit;
			if (byte < 0x80) return Number.isSafeInteger(value) ? value : this.fail(`${field} is beyond 2^53`);
		}
		return this.fail(`${field} is beyond 2^53`);
	}

	bytes(count: number, field: string): Uint8Array {
		const at = this.#take(count, field);
		return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + at, count);
	}

	/** Strict UTF-8. */
	text(count: number, field: string): string {
		const at = this.#take(count, field);
		const quick = this.#bytes.toString('utf8', at, at + count);
		// A replacement character may stand for bytes that are not UTF-8, or for itself.
		if (!quick.includes('\ufffd')) return quick;
		try {
			return STRICT_UTF8.decode(this.#bytes.subarray(at, at + count));
		} catch (cause) {
			if (cause instanceof PerigeeError) throw cause;
			return this.fail(`${field} is not UTF-8`);
		}
	}

	/** Bytes not read yet. */
	get remaining(): number {
		return this.#bytes.length - this.#at;
	}

	/** Call it last: nothing may be left. */
	end(): void {
		if (this.remaining > 0) this.fail(`${this.remaining} bytes too many`);
	}

	fail(reason: string): never {
		throw new PerigeeError('FORMAT_UNKNOWN', `${this.#what} cannot be read: ${reason}`);
	}

	#exact(low: number, high: number, field: string): number {
		const value = low + high * HALF;
		if (!Number.isSafeInteger(value)) this.fail(`${field} is ${value}, beyond 2^53`);
		return value;
	}

	#take(count: number, field: string): number {
		if (count > this.remaining) this.fail(`it ends inside ${field}`);
		const at = this.#at;
		this.#at += count;
		return at;
	}
}

const HALF = 2 ** 32;
/** What the first seven bytes of a varint hold is exact as a number. */
const LOW_UNITS = 2 ** 49;
const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
