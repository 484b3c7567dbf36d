/** An endpoint of a chain that answers some questions otherwise than the chain does. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** Undefined: as the chain. A result: that. `change`: the chain's result, changed. `body`: no answer at all. */
export type Bend =
	| undefined
	| { readonly result: unknown }
	| { readonly error: object }
	| { readonly change: (result: unknown) => unknown }
	| { readonly body: string; readonly status?: number };

export type Rule = (method: string, params: readonly unknown[]) => Bend;

export interface ChainProxy {
	readonly url: string;
	rule: Rule;
	/** Where it asks; another chain from now on. */
	target: string;
	/** Questions that it was asked. */
	asked: number;
	close(): void;
}

interface Question {
	readonly id: number;
	readonly method: string;
	readonly params?: readonly unknown[];
}

export async function chainProxy(target: string, rule: Rule = () => undefined): Promise<ChainProxy> {
	const server = createServer((request, response) => {
		void text(request)
			.then(async (body) => {
				const question = JSON.parse(body) as Question;
				proxy.asked++;
				const bend = proxy.rule(question.method, question.params ?? []);
				if (bend && 'body' in bend) response.writeHead(bend.status ?? 200).end(bend.body);
				else response.end(JSON.stringify({ jsonrpc: '2.0', id: question.id, ...(await answerTo(body, bend)) }));
			})
			.catch(() => response.destroy());
	});
	const answerTo = async (body: string, bend: Bend): Promise<object> => {
		if (bend && ('result' in bend || 'error' in bend)) return bend;
		const asked = await fetch(proxy.target, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
		const { result, error } = (await asked.json()) as { readonly result?: unknown; readonly error?: unknown };
		if (error !== undefined) return { error };
		return { result: bend && 'change' in bend ? bend.change(result) : result };
	};
	await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
	const proxy: ChainProxy = {
		url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		rule,
		target,
		asked: 0,
		close() {
			server.closeAllConnections();
			server.close();
		},
	};
	return proxy;
}
