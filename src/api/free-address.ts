/** Whether an address can be listened on, and what is said when it cannot. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type ListenPlace, urlOfAddress } from '../config/listen-address.js';
import { about, refusal } from '../config/refusal.js';
import { codeOf } from '../io/system-call.js';
import { assertSocketFree } from '../io/unix-socket.js';

const IN_USE = 'EADDRINUSE';

/** The setting that says where a listener is. */
export type ListenSetting = 'http' | 'admin' | 'grpc';

/** Errors: CONFIG_INVALID when the address cannot be taken now; with `mayBeInUse` only when it can never be. */
export async function assertFree(listen: ListenPlace, setting: ListenSetting, mayBeInUse: boolean): Promise<void> {
	if ('socketPath' in listen) return about([setting], () => assertSocketFree(listen.socketPath, mayBeInUse));
	const server = createServer();
	try {
		server.listen(listen);
		await once(server, 'listening');
	} catch (error) {
		if (!mayBeInUse || codeOf(error) !== IN_USE) throw addressError(listen, setting, error);
	} finally {
		server.close();
	}
}

/** An error of listen as the operator should read it. */
export function addressError(listen: ListenPlace, setting: ListenSetting, error: unknown): unknown {
	if ('socketPath' in listen) return error;
	const where = urlOfAddress(listen).slice('http://'.length);
	const flag = `--${setting}`;
	switch (codeOf(error)) {
		case IN_USE:
			return refusal([setting], `${where} is in use by another program; choose another with ${flag}.`);
		case 'EACCES':
			return refusal([setting], `${where} may not be listened on; choose a port above 1023 with ${flag}.`);
		case 'EADDRNOTAVAIL':
		case 'ENOTFOUND':
			return refusal([setting], `${listen.host} is no address of this machine; choose another with ${flag}.`);
		default:
			return error;
	}
}
