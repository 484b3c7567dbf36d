/**
 * Serves changed directories in a process of its own: RocksDB's assertions may end it over a damaged block. Then the next process opens the
 * directory, as a supervisor would start the node again, and it must be served in the end.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Violation } from './violation.js';
import type { ServeOutcome, ServeRequest } from './view-serving.js';

const CHILD = fileURLToPath(new URL('view-host-child.js', import.meta.url));
/** The third run rebuilds. */
const MOST_ENDS = 2;

export interface HostOptions {
	/** Bytes of RocksDB's table in memory; absent: as tests have it. */
	readonly writeBufferBytes?: number;
}

export type ServeAnswer = { readonly outcome: ServeOutcome } | { readonly error: string };
export type HostedOutcome = ServeOutcome | 'rebuilt after the process ended';

export class ViewHost {
	readonly #options: HostOptions;
	#child: ChildProcess | undefined;

	constructor(options: HostOptions = {}) {
		this.#options = options;
	}

	/** One at a time. Throws a Violation. */
	async serve(request: ServeRequest): Promise<HostedOutcome> {
		for (let ends = 0; ends <= MOST_ENDS; ends++) {
			const child = (this.#child ??= this.#start());
			const said = await exchange(child, request);
			if ('error' in said) throw new Violation(said.error);
			if ('outcome' in said) return ends === 0 ? said.outcome : 'rebuilt after the process ended';
			this.#child = undefined;
			if (said.signal !== 'SIGABRT') throw new Violation(`the process ended with ${said.signal}`);
		}
		throw new Violation(`the process ended ${MOST_ENDS + 1} times over one directory`);
	}

	async close(): Promise<void> {
		const child = this.#child;
		this.#child = undefined;
		if (!child) return;
		const ended = once(child, 'exit');
		child.disconnect();
		await ended;
	}

	#start(): ChildProcess {
		// Assertions print a line each; what matters is how the process ends.
		return fork(CHILD, [JSON.stringify(this.#options)], { stdio: ['ignore', 'inherit', 'ignore', 'ipc'] });
	}
}

/** The child's answer, or the signal that it ended with. */
function exchange(child: ChildProcess, request: ServeRequest): Promise<ServeAnswer | { readonly signal: string }> {
	return new Promise((resolve) => {
		const answered = (answer: unknown): void => {
			child.off('exit', ended);
			resolve(answer as ServeAnswer);
		};
		const ended = (_: unknown, signal: unknown): void => {
			child.off('message', answered);
			resolve({ signal: String(signal) });
		};
		child.once('message', answered).once('exit', ended).send(request);
	});
}
