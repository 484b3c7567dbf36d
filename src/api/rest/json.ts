import type { ServerResponse } from 'node:http';

/** Sends a JSON body in one write. `headers` is a flat list of names and values. */
export function sendJson(
	response: ServerResponse,
	status: number,
	value: unknown,
	headers: readonly string[] = [],
): void {
	// As a text the body leaves in one write with its head.
	const body = `${JSON.stringify(value)}\n`;
	response.writeHead(status, [
		'Content-Type',
		'application/json',
		'Content-Length',
		String(Buffer.byteLength(body)),
		'X-Content-Type-Options',
		'nosniff',
		...headers,
	]);
	response.end(body);
}
