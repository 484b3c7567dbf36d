/** Whether an address can be listened on, and what is said when it cannot. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type ListenPlace, urlOfAddress } from '../config/listen-address.js';
import { PerigeeError } from '../errors.js';
import { assertSocketFree } from '../io/unix-socket.js';

/** `flag`: the one that says where. Errors: CONFIG_INVALID when the address cannot be taken now. */
export async function assertFree(listen: ListenPlace, flag: string): Promise<void> {
	if ('socketPath' in listen) return assertSocketFree(listen.socketPath);
	const server = createServer();
	try {
		server.listen(listen);
		await once(server, 'listening');
	} catch (error) {
		throw addressError(listen, flag, error);
	} finally {
		server.close();
	}
}

/** An error of listen as the operator should read it. */
export function addressError(listen: ListenPlace, flag: string, error: unknown): unknown {
	if ('socketPath' in listen) return error;
	const where = urlOfAddress(listen).slice('http://'.length);
	switch ((error as NodeJS.ErrnoException).code) {
		case 'EADDRINUSE':
			return new PerigeeError('CONFIG_INVALID', `${where} is in use by another program; choose another with ${flag}.`);
		case 'EACCES':
			return new PerigeeError(
				'CONFIG_INVALID',
				`${where} may not be listened on; choose a port above 1023 with ${flag}.`,
			);
		case 'EADDRNOTAVAIL':
		case 'ENOTFOUND':
			return new PerigeeError(
				'CONFIG_INVALID',
				`${listen.host} is no address of this machine; choose another with ${flag}.`,
			);
		default:
			return error;
	}
}
