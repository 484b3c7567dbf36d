/** Values of parameters as what they should be. The texts of refusals are those of the reference. */
import { HASH_BYTES, MAX_U64, rootFromBytes, type DataRoot } from '../../units.js';
import { JsonObject, LongText, type JsonNode } from './json-reader.js';
import { type RpcError, unreadableParams } from './rpc-error.js';

/** A whole number from 0 to 2^64 - 1. `start`: where the parameter begins, of which the value is a part. */
export function u64Of(node: JsonNode, start: number): bigint {
	const { value } = node;
	if (typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value))) {
		const whole = BigInt(value);
		if (whole >= 0n && whole <= MAX_U64) return whole;
		throw unreadableParams(`invalid value: integer \`${whole}\`, expected u64${place(node, start)}`);
	}
	throw wrongType(node, 'u64', start);
}

/** A text that is no data. */
export function textOf(node: JsonNode, start: number): string {
	if (typeof node.value === 'string') return node.value;
	throw wrongType(node, 'a string', start);
}

const HEX = /^(?:0x)?([0-9a-f]*)$/i;

/** 32 bytes in hexadecimal, with 0x or without. */
export function rootOf(node: JsonNode, start: number): DataRoot {
	const expected = 'a (both 0x-prefixed or not) hex string or byte array containing 32 bytes';
	if (typeof node.value !== 'string') throw wrongType(node, expected, start);
	const digits = HEX.exec(node.value)?.[1];
	if (digits === undefined) throw unreadableParams(`invalid value: string, expected ${expected}${place(node, start)}`);
	if (digits.length !== 2 * HASH_BYTES)
		throw unreadableParams(`invalid length ${digits.length}, expected ${expected}${place(node, start)}`);
	return rootFromBytes(Buffer.from(digits, 'hex'));
}

export function wrongType(node: JsonNode, expected: string, start: number): RpcError {
	return unreadableParams(`invalid type: ${kindOf(node)}, expected ${expected}${place(node, start)}`);
}

/** Where a value ends, counted from the beginning of its parameter. */
export function place(node: JsonNode, start: number): string {
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
