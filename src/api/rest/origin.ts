/** Where the sender of a request reaches this node. */
import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';

/** As in `http://host:port`: what the operator says (api.publicUrl), else by the name that the sender uses. */
export function originOf({ socket, headers }: IncomingMessage, publicUrl: string): string {
	if (publicUrl !== '') return publicUrl.replace(/\/+$/, '');
	return `${socket instanceof TLSSocket ? 'https' : 'http'}://${headers.host ?? 'localhost'}`;
}
