import { PerigeeError } from '../errors.js';

export interface ListenAddress {
	readonly host: string;
	readonly port: number;
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

/** The URL of a listening address; IPv6 hosts get their brackets. */
export function urlOfAddress(address: ListenAddress): string {
	return `http://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
}

/** Whether only this machine can reach the host. */
export function isLoopback(host: string): boolean {
	return host === 'localhost' || host === '::1' || /^127(?:\.[0-9]{1,3}){3}$/.test(host);
}
