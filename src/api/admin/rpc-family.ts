/** The methods of administration with what they need of the node, and who may call them. */
import type { IncomingMessage } from 'node:http';
import type { FileStore } from '../../log-layer/types.js';
import type { MiningControl } from '../../pora/mining-status.js';
import type { Metrics } from '../../metrics/metrics.js';
import { familyOf, type RpcFamily } from '../rpc/method.js';
import { ADMIN_METHODS, MINER_METHODS } from './rpc-methods.js';

export interface AdminRpcModules {
	readonly store: FileStore;
	readonly mining: MiningControl;
	readonly metrics: Metrics;
	/** Brings gauges up to date. */
	readonly refreshMetrics: () => void | Promise<void>;
	/** Stops the node, as SIGTERM does. */
	readonly shutdown: () => void;
}

/** `permit`: throws for a request that may not administer; asked before the first call of a body. */
export function adminFamily(
	{ store, mining, metrics, refreshMetrics, shutdown }: AdminRpcModules,
	permit: (request: IncomingMessage) => void,
): RpcFamily {
	const metricsText = async (): Promise<string> => {
		await refreshMetrics();
		return metrics.registry.metrics();
	};
	const methods = mining.status().state === 'off' ? ADMIN_METHODS : { ...ADMIN_METHODS, ...MINER_METHODS };
	return familyOf(methods, ({ request, response }) => {
		let isPermitted = false;
		let isToStop = false;
		// When the answer is out, and once for all calls of the body.
		const shutdownAfter = (): void => {
			if (!isToStop) response.once('close', shutdown);
			isToStop = true;
		};
		return {
			context: { store, mining, metricsText, shutdown: shutdownAfter },
			admit() {
				if (!isPermitted) permit(request);
				isPermitted = true;
			},
		};
	});
}
