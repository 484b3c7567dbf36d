/** The methods of the public listener, with what they need of it, and who may upload. */
import type { RestContext } from '../rest/endpoint.js';
import { originOf } from '../rest/origin.js';
import { FlowRoots } from './flow-roots.js';
import { familyOf, type RpcExchange, type RpcFamily } from './method.js';
import { PUBLIC_METHODS } from './methods/index.js';
import { UPLOAD_METHODS } from './methods/uploads.js';

export function publicFamily(server: RestContext): RpcFamily {
	const { store, publicUrl } = server;
	const flowRoots = new FlowRoots();
	return familyOf(PUBLIC_METHODS, (exchange) => {
		const mayUpload = uploadPermission(server, exchange);
		return {
			context: { store, flowRoots, origin: originOf(exchange.request, publicUrl) },
			admit(name) {
				if (Object.hasOwn(UPLOAD_METHODS, name)) mayUpload();
			},
		};
	});
}

/** For the calls of one body: whoever reads may not upload; a body that uploads counts once, whole. Errors: as of Access.admit, QUOTA_EXCEEDED. */
function uploadPermission(
	{ access }: Pick<RestContext, 'access'>,
	{ request: { headers }, bodyBytes }: Pick<RpcExchange, 'request' | 'bodyBytes'>,
): () => void {
	let isGiven = false;
	return () => {
		if (isGiven) return;
		access.admit(headers.authorization, 'segments', { isCounted: access.asksFor('read') })?.quota?.charge(bodyBytes);
		isGiven = true;
	};
}
