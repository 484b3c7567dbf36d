/** Writes JSON that JavaScript's own writer cannot: whole numbers beyond 2^53, and parts that are bytes already. */
import { base64Length, writeBase64 } from '../base64.js';

/** Bytes that are sent as base64. */
export class Base64 {
	readonly bytes: Uint8Array;

	constructor(bytes: Uint8Array) {
		this.bytes = bytes;
	}
}

/** JSON that is ready. */
export class ReadyJson {
	readonly bytes: Buffer;

	constructor(bytes: Buffer) {
		this.bytes = bytes;
	}
}

export type JsonOut =
	| null
	| boolean
	| number
	| bigint
	| string
	| Base64
	| ReadyJson
	| readonly JsonOut[]
	| { readonly [name: string]: JsonOut | undefined };

/** The JSON of a value in parts, in order. Members that are undefined are left out. */
export function writeJson(value: JsonOut): readonly Buffer[] {
	const parts: Buffer[] = [];
	let text = '';
	const put = (bytes: Buffer): void => {
		parts.push(Buffer.from(text), bytes);
		text = '';
	};
	const write = (one: JsonOut): void => {
		if (typeof one === 'bigint') text += one;
		else if (one instanceof Base64) {
			text += '"';
			const encoded = Buffer.allocUnsafe(base64Length(one.bytes.length));
			writeBase64(one.bytes, encoded, 0);
			put(encoded);
			text += '"';
		} else if (one instanceof ReadyJson) put(one.bytes);
		else if (Array.isArray(one)) {
			text += '[';
			for (const [index, item] of (one as readonly JsonOut[]).entries()) {
				if (index > 0) text += ',';
				write(item);
			}
			text += ']';
		} else if (typeof one === 'object' && one !== null) {
			let mark = '{';
			for (const [name, member] of Object.entries(one)) {
				if (member === undefined) continue;
				text += `${mark}${JSON.stringify(name)}:`;
				mark = ',';
				write(member);
			}
			text += mark === '{' ? '{}' : '}';
		} else text += JSON.stringify(one);
	};
	write(value);
	parts.push(Buffer.from(text));
	return parts;
}
