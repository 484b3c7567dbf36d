import { resolve } from 'node:path';
import { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';

export interface ListenAddress {
	readonly host: string;
	readonly port: number;
}

/** A Unix socket. */
export interface SocketPlace {
	/** Absolute. */
	readonly socketPath: string;
}

export type ListenPlace = ListenAddress | SocketPlace;

const UNIX = 'unix:';

/** Reads what `parseListenAddress` reads, and `unix:/path`. Errors: CONFIG_INVALID. */
export function parseListenPlace(text: string): ListenPlace {
	if (!text.startsWith(UNIX)) return parseListenAddress(text);
	const socketPath = resolve(text.slice(UNIX.length));
	if (text.length > UNIX.length && Buffer.byteLength(socketPath) <= LIMITS.socketPathBytes) return { socketPath };
	throw new PerigeeError(
		'CONFIG_INVALID',
		`"${text}" is not unix: and a path of at most ${LIMITS.socketPathBytes} bytes`,
	);
}

/** Reads `host:port`, `127.0.0.1:0` or `[::1]:5678`. Errors: CONFIG_INVALID. */
export function parseListenAddress(text: string): ListenAddress {
	const colon = text.lastIndexOf(':');
	const host = text.slice(0, colon);
	const portText = text.slice(colon + 1);
	const bracketed = host.startsWith('[') && host.endsWith(']');
	const port = Number(portText);
	if (colon < 1 || (!bracketed && /[[\]:/\s]/.test(host)) || !/^[0-9]{1,5}$/.test(portText) || port > 65_535) {
		throw new PerigeeError(
			'CONFIG_INVALID',
			`"${text}" is not host:port (as in 127.0.0.1:5678, [::1]:5678, or port 0 for a free one)`,
		);
	}
	return { host: bracketed ? host.slice(1, -1) : host, port };
}

/** Where a listener is reached: a URL (IPv6 hosts get their brackets), or `unix:` and a path. */
export function urlOfPlace(place: ListenPlace, scheme: 'http' | 'https' = 'http'): string {
	return 'socketPath' in place ? UNIX + place.socketPath : urlOfAddress(place, scheme);
}

/** The URL of a listening address; IPv6 hosts get their brackets. */
export function urlOfAddress(address: ListenAddress, scheme: 'http' | 'https' = 'http'): string {
	return `${scheme}://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}

/** Whether only this machine can reach the host. */
export function isLoopback(host: string): boolean {
	return host === 'localhost' || host === '::1' || /^(?:::ffff:)?127(?:\.[0-9]{1,3}){3}$/.test(host);
}

/** Whether two listeners are one. */
export function isSamePlace(left: ListenPlace, right: ListenPlace): boolean {
	return !('socketPath' in left || 'socketPath' in right) && left.host === right.host && sharesAddress(left, right);
}

/** Whether two listeners could not both be opened, as far as their texts tell. Port 0 is another one each time. */
export function sharesAddress(left: ListenPlace, right: ListenPlace): boolean {
	if ('socketPath' in left || 'socketPath' in right || left.port !== right.port || left.port === 0) return false;
	const [one, other] = [left.host.toLowerCase(), right.host.toLowerCase()];
	return one === other || coversAll(one, other) || coversAll(other, one) || areLocalhost(one, other);
}

/** `::` takes the addresses of IPv4 too. */
function coversAll(wide: string, host: string): boolean {
	return wide === '::' || (wide === '0.0.0.0' && !host.includes(':'));
}

function areLocalhost(one: string, other: string): boolean {
	return (one === 'localhost' || other === 'localhost') && isLoopback(one) && isLoopback(other);
}
