/**
 * Point reads of the view, gathered: what many requests ask for in one turn of the event loop becomes one call of the engine, because the
 * way into its thread costs more than the read. Questions for one key share the answer.
 */
import { deferred, type Deferred } from '../deferred.js';

type Row = Uint8Array | undefined;

interface Asked {
	readonly key: Uint8Array;
	readonly answer: Deferred<Row>;
	/** A batch wrote this key meanwhile: the answer may be older than the row. */
	isStale: boolean;
}

export class GatheredReads {
	readonly #getMany: (keys: readonly Uint8Array[]) => Promise<readonly Row[]>;
	readonly #asked = new Map<string, Asked>();
	#gathering: Asked[] = [];

	constructor(getMany: (keys: readonly Uint8Array[]) => Promise<readonly Row[]>) {
		this.#getMany = getMany;
	}

	/** The row; `isFresh` tells whether no batch has written it since it was asked for. */
	async get(name: string, key: Uint8Array): Promise<{ readonly row: Row; readonly isFresh: boolean }> {
		let asked = this.#asked.get(name);
		if (!asked || asked.isStale) {
			asked = { key, answer: deferred<Row>(), isStale: false };
			this.#asked.set(name, asked);
			if (this.#gathering.push(asked) === 1) setImmediate(() => void this.#read());
		}
		try {
			return { row: await asked.answer.promise, isFresh: !asked.isStale };
		} finally {
			if (this.#asked.get(name) === asked) this.#asked.delete(name);
		}
	}

	/** A batch has written this key. */
	wrote(name: string): void {
		const asked = this.#asked.get(name);
		if (asked) asked.isStale = true;
	}

	async #read(): Promise<void> {
		const gathered = this.#gathering;
		this.#gathering = [];
		try {
			const rows = await this.#getMany(gathered.map(({ key }) => key));
			gathered.forEach(({ answer }, index) => answer.resolve(rows[index]));
		} catch (error) {
			const reason = error instanceof Error ? error : new Error(String(error));
			for (const { answer } of gathered) answer.reject(reason);
		}
	}
}
