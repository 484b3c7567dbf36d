import type { ServerResponse } from 'node:http';
import { base64Length, writeBase64 } from '../base64.js';

/** State of the node, true only now. */
export const NO_STORE = ['Cache-Control', 'no-store'];

const BASE64_END = Buffer.from('"}\n');

/** Sends a JSON body in one write. `headers` is a flat list of names and values. */
export function sendJson(
	response: ServerResponse,
	status: number,
	value: unknown,
	headers: readonly string[] = [],
): void {
	// As a text the body leaves in one write with its head.
	const body = `${JSON.stringify(value)}\n`;
	writeHead(response, status, Buffer.byteLength(body), headers);
	response.end(body);
}

/**
 * Sends `value` with one more field, `name`, whose value is `bytes` in base64. `JSON.stringify` would look at each of its characters and the
 * response turn them into UTF-8 once more: with a segment that took longer than to find and check it. `value` has at least one field.
 */
export function sendJsonWithBytes(
	response: ServerResponse,
	value: object,
	name: string,
	bytes: Uint8Array,
	headers: readonly string[],
): void {
	const begin = Buffer.from(`${JSON.stringify(value).slice(0, -1)},${JSON.stringify(name)}:"`);
	const body = Buffer.allocUnsafe(begin.length + base64Length(bytes.length) + BASE64_END.length);
	body.set(begin);
	body.set(BASE64_END, writeBase64(bytes, body, begin.length));
	writeHead(response, 200, body.length, headers);
	response.end(body);
}

function writeHead(response: ServerResponse, status: number, bodyBytes: number, headers: readonly string[]): void {
	response.writeHead(status, [
		'Content-Type',
		'application/json',
		'Content-Length',
		String(bodyBytes),
		'X-Content-Type-Options',
		'nosniff',
		...headers,
	]);
}
