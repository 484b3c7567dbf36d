/**
 * Parameters of a call, by place or by name (spec log-layer §4.1). A missing trailing one may be optional; surplus ones are ignored. The texts of
 * refusals are those of the reference, which clients show to people.
 */
import { HASH_BYTES, rootFromBytes, type DataRoot } from '../../units.js';
import { JsonObject, LongText, type JsonNode } from './json-reader.js';
import { type RpcError, unreadableParams } from './rpc-error.js';

const MAX_U64 = 2n ** 64n - 1n;

export class Params {
	readonly #items: readonly JsonNode[];
	readonly #members: ReadonlyMap<string, JsonNode> | undefined;
	/** Length of the object's text. */
	readonly #length: number;
	#next = 0;

	/** `node`: what stands as `params`; undefined when nothing does. Errors: RpcError when it is neither array nor object. */
	constructor(node: JsonNode | undefined) {
		const { value = null, from = 0, to = 0 } = node ?? {};
		if (value !== null && !Array.isArray(value) && !(value instanceof JsonObject))
			throw unreadableParams('Invalid params');
		this.#items = Array.isArray(value) ? (value as readonly JsonNode[]) : [];
		this.#members = value instanceof JsonObject ? value.members : undefined;
		this.#length = to - from;
	}

	u64(name: string): bigint {
		const node = this.#required(name);
		return u64Of(node, node.from);
	}

	bool(name: string): boolean {
		const node = this.#required(name);
		if (typeof node.value === 'boolean') return node.value;
		throw wrongType(node, 'a boolean', node.from);
	}

	root(name: string): DataRoot {
		const node = this.#required(name);
		return rootOf(node, node.from);
	}

	/** A root, or nothing. */
	optionalRoot(name: string): DataRoot | undefined {
		const node = this.#node(name);
		return node === undefined || node.value === null ? undefined : rootOf(node, node.from);
	}

	/** A number or a root. */
	seqOrRoot(name: string): bigint | DataRoot {
		const node = this.#required(name);
		return typeof node.value === 'number' || typeof node.value === 'bigint'
			? u64Of(node, node.from)
			: rootOf(node, node.from);
	}

	#required(name: string): JsonNode {
		const node = this.#node(name);
		if (node) return node;
		throw unreadableParams(
			this.#members ? `missing field \`${name}\` at line 1 column ${this.#length}` : 'No more params',
		);
	}

	#node(name: string): JsonNode | undefined {
		return this.#members ? this.#members.get(name) : this.#items[this.#next++];
	}
}

/** A whole number from 0 to 2^64 - 1. `start`: where the parameter begins, of which the value is a part. */
function u64Of(node: JsonNode, start: number): bigint {
	const { value } = node;
	if (typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value))) {
		const whole = BigInt(value);
		if (whole >= 0n && whole <= MAX_U64) return whole;
		throw unreadableParams(`invalid value: integer \`${whole}\`, expected u64${place(node, start)}`);
	}
	throw wrongType(node, 'u64', start);
}

const HEX = /^(?:0x)?([0-9a-f]*)$/i;

/** 32 bytes in hexadecimal, with 0x or without. */
function rootOf(node: JsonNode, start: number): DataRoot {
	const expected = 'a (both 0x-prefixed or not) hex string or byte array containing 32 bytes';
	if (typeof node.value !== 'string') throw wrongType(node, expected, start);
	const digits = HEX.exec(node.value)?.[1];
	if (digits === undefined) throw unreadableParams(`invalid value: string, expected ${expected}${place(node, start)}`);
	if (digits.length !== 2 * HASH_BYTES)
		throw unreadableParams(`invalid length ${digits.length}, expected ${expected}${place(node, start)}`);
	return rootFromBytes(Buffer.from(digits, 'hex'));
}

function wrongType(node: JsonNode, expected: string, start: number): RpcError {
	return unreadableParams(`invalid type: ${kindOf(node)}, expected ${expected}${place(node, start)}`);
}

/** Where a value ends, counted from the beginning of its parameter. */
function place(node: JsonNode, start: number): string {
	return ` at line 1 column ${node.to - start}`;
}

function kindOf({ value }: JsonNode): string {
	if (value === null) return 'null';
	if (Array.isArray(value)) return 'sequence';
	if (value instanceof JsonObject) return 'map';
	if (value instanceof LongText) return 'string';
	if (typeof value === 'string') return `string ${JSON.stringify(value.slice(0, 100))}`;
	if (typeof value === 'boolean') return `boolean \`${value}\``;
	const number = value as number | bigint;
	const kind = typeof value === 'bigint' || Number.isInteger(value) ? 'integer' : 'floating point';
	return `${kind} \`${number}\``;
}
