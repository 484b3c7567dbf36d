/**
 * Reads JSON from its bytes without losing what JavaScript would: whole numbers of any size stay exact, each value knows where it stood (an id
 * is given back as it came), and a long text stays bytes, so that a segment in base64 never becomes a string.
 */

/** A text too long to be anything but data: its bytes, nothing escaped any more. */
export class LongText {
	readonly bytes: Buffer;

	constructor(bytes: Buffer) {
		this.bytes = bytes;
	}
}

/** An object; of members with the same name the last counts. */
export class JsonObject {
	readonly members: ReadonlyMap<string, JsonNode>;

	constructor(members: ReadonlyMap<string, JsonNode>) {
		this.members = members;
	}
}

/** bigint: a whole number beyond 2^53. */
export type JsonValue = null | boolean | number | bigint | string | LongText | readonly JsonNode[] | JsonObject;

/** A value, and where its text begins and ends. */
export interface JsonNode {
	readonly value: JsonValue;
	readonly from: number;
	readonly to: number;
}

export interface JsonBounds {
	/** Values in all. */
	readonly values: number;
	/** Arrays and objects in each other. */
	readonly depth: number;
}

/** What is no JSON, or exceeds a bound. */
export class JsonError extends Error {
	override name = 'JsonError';
}

/** Bytes from which on a text stays bytes: far more than a hash or a name. */
const LONG_TEXT_BYTES = 4096;
/** Digits of a whole number that is kept exact; no field is near. */
const EXACT_DIGITS = 40;
const SAFE_DIGITS = 15;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y;
const LONGEST_NUMBER = 512;
/** What JSON forbids in a text. */
const CONTROL = /[^\u0020-\uffff]/;

/** The one value in `bytes`. Errors: JsonError. */
export function readJson(bytes: Buffer, bounds: JsonBounds): JsonNode {
	return new JsonReader(bytes, bounds).whole();
}

class JsonReader {
	readonly #bytes: Buffer;
	readonly #bounds: JsonBounds;
	#at = 0;
	#values = 0;
	/** The first backslash that is not behind us; the length when there is none. */
	#backslash = -1;

	constructor(bytes: Buffer, bounds: JsonBounds) {
		this.#bytes = bytes;
		this.#bounds = bounds;
	}

	whole(): JsonNode {
		const node = this.#value(0);
		this.#space();
		if (this.#at < this.#bytes.length) throw this.#error('something stands behind the value');
		return node;
	}

	#value(depth: number): JsonNode {
		if (++this.#values > this.#bounds.values) throw this.#error(`more than ${this.#bounds.values} values`);
		if (depth > this.#bounds.depth) throw this.#error(`more than ${this.#bounds.depth} values in each other`);
		this.#space();
		const from = this.#at;
		const value = this.#bare(depth);
		return { value, from, to: this.#at };
	}

	#bare(depth: number): JsonValue {
		switch (this.#bytes[this.#at]) {
			case 0x7b:
				return this.#object(depth);
			case 0x5b:
				return this.#array(depth);
			case QUOTE:
				return this.#text();
			case 0x74:
				return this.#word('true', true);
			case 0x66:
				return this.#word('false', false);
			case 0x6e:
				return this.#word('null', null);
			default:
				return this.#number();
		}
	}

	#object(depth: number): JsonObject {
		const members = new Map<string, JsonNode>();
		this.#at++;
		if (this.#takes(0x7d)) return new JsonObject(members);
		do {
			this.#space();
			const name = this.#bytes[this.#at] === QUOTE ? this.#text() : undefined;
			if (typeof name !== 'string') throw this.#error('a member has no name, or too long a one');
			if (!this.#takes(0x3a)) throw this.#error('a member has no value');
			members.set(name, this.#value(depth + 1));
		} while (this.#takes(0x2c));
		if (!this.#takes(0x7d)) throw this.#error('an object does not end');
		return new JsonObject(members);
	}

	#array(depth: number): readonly JsonNode[] {
		const items: JsonNode[] = [];
		this.#at++;
		if (this.#takes(0x5d)) return items;
		do items.push(this.#value(depth + 1));
		while (this.#takes(0x2c));
		if (!this.#takes(0x5d)) throw this.#error('an array does not end');
		return items;
	}

	#text(): string | LongText {
		const from = this.#at + 1;
		const end = this.#bytes.indexOf(QUOTE, from);
		if (end < 0) throw this.#error('a text does not end');
		if (this.#nextBackslash(from) < end) return this.#escapedText(from);
		this.#at = end + 1;
		if (end - from >= LONG_TEXT_BYTES) return new LongText(this.#bytes.subarray(from, end));
		const text = this.#bytes.toString('utf8', from, end);
		if (CONTROL.test(text)) throw this.#error('a text has a control character');
		return text;
	}

	#escapedText(from: number): string | LongText {
		let end = from - 1;
		do end = this.#bytes.indexOf(QUOTE, end + 1);
		while (end >= 0 && this.#isEscaped(end, from));
		if (end < 0) throw this.#error('a text does not end');
		this.#at = end + 1;
		let text: string;
		try {
			text = JSON.parse(this.#bytes.toString('utf8', from - 1, end + 1)) as string;
		} catch {
			throw this.#error('a text has a wrong escape');
		}
		return text.length < LONG_TEXT_BYTES ? text : new LongText(Buffer.from(text));
	}

	/** Whether an odd number of backslashes stands before. */
	#isEscaped(at: number, from: number): boolean {
		let first = at;
		while (first > from && this.#bytes[first - 1] === BACKSLASH) first--;
		return (at - first) % 2 === 1;
	}

	#nextBackslash(from: number): number {
		if (this.#backslash < from) {
			const next = this.#bytes.indexOf(BACKSLASH, from);
			this.#backslash = next < 0 ? this.#bytes.length : next;
		}
		return this.#backslash;
	}

	#number(): number | bigint {
		const rest = this.#bytes.toString('latin1', this.#at, this.#at + LONGEST_NUMBER);
		NUMBER.lastIndex = 0;
		const [text, fraction, exponent] = NUMBER.exec(rest) ?? [];
		if (text === undefined || text.length === LONGEST_NUMBER) throw this.#error('here is no value');
		this.#at += text.length;
		const isWhole = fraction === undefined && exponent === undefined;
		return isWhole && text.length > SAFE_DIGITS && text.length <= EXACT_DIGITS ? exact(text) : Number(text);
	}

	#word<V extends boolean | null>(word: string, value: V): V {
		if (this.#bytes.toString('latin1', this.#at, this.#at + word.length) !== word)
			throw this.#error('here is no value');
		this.#at += word.length;
		return value;
	}

	/** Steps over one character, and what is between. */
	#takes(character: number): boolean {
		this.#space();
		if (this.#bytes[this.#at] !== character) return false;
		this.#at++;
		return true;
	}

	#space(): void {
		for (;;) {
			const character = this.#bytes[this.#at];
			if (character !== 0x20 && character !== 0x0a && character !== 0x0d && character !== 0x09) return;
			this.#at++;
		}
	}

	#error(what: string): JsonError {
		return new JsonError(`${what} (byte ${this.#at})`);
	}
}

function exact(text: string): number | bigint {
	const value = Number(text);
	return Number.isSafeInteger(value) ? value : BigInt(text);
}
