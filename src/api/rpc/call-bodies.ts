/** Bodies of JSON, which are needed whole before anything can be done with them: bounded all together, in memory that is used again. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PerigeeError } from '../../errors.js';
import { LIMITS } from '../../limits.js';
import { freeMemory, gather } from '../../native/addon.js';
import { sendContinue } from '../rest/problem.js';
import { receiveBody } from '../rest/receive-body.js';
import type { UploadWatch } from '../rest/upload-watch.js';
import { BodyBudget } from './body-budget.js';
import { BodyBuffers } from './body-buffers.js';
import { lengthOf } from './protocol.js';

/** Errors: NOT_JSON. */
export function refuseOtherTypes({ headers }: IncomingMessage): void {
	const type = headers['content-type'] ?? '';
	if (!/^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i.test(type)) throw new PerigeeError('NOT_JSON');
}

export class CallBodies {
	/** Of one body. */
	readonly maxBytes: number;
	readonly #uploads: UploadWatch;
	readonly #buffers = new BodyBuffers();
	readonly #large = new BodyBudget(LIMITS.rpcBodiesBytes);
	/** Questions do not wait behind segments. */
	readonly #small = new BodyBudget(LIMITS.rpcSmallBodiesBytes);

	constructor(uploads: UploadWatch, maxBytes: number) {
		this.#uploads = uploads;
		this.maxBytes = maxBytes;
	}

	/** Whether the request says that its body is longer than is taken. */
	isTooLong({ headers }: IncomingMessage): boolean {
		return Number(headers['content-length'] ?? 0) > this.maxBytes;
	}

	/** Reads the body once there is room for it. What `use` answers must have nothing of it. Errors: as of `receiveBody`. */
	async read<T>(request: IncomingMessage, response: ServerResponse, use: (body: Buffer) => Promise<T>): Promise<T> {
		const announced = request.headers['content-length'];
		const bytes = announced === undefined ? this.maxBytes : Number(announced);
		const budget = bytes <= LIMITS.rpcSmallBodyBytes ? this.#small : this.#large;
		await budget.take(bytes);
		try {
			sendContinue(request, response);
			const body = announced === undefined ? await this.#gathered(request) : await this.#filled(request, bytes);
			const used = await use(body);
			this.#buffers.give(body);
			return used;
		} finally {
			budget.give(bytes);
		}
	}

	async #filled(request: IncomingMessage, bytes: number): Promise<Buffer> {
		const body = this.#buffers.take(bytes);
		let filled = 0;
		const write = (chunk: Uint8Array): undefined => {
			filled += gather(body.subarray(filled), [chunk]);
			freeMemory(chunk);
		};
		await receiveBody(request, { write }, { maxBytes: this.maxBytes, watch: this.#uploads });
		return body;
	}

	/** Of a body that does not tell its length. */
	async #gathered(request: IncomingMessage): Promise<Buffer> {
		const chunks: Uint8Array[] = [];
		const sink = { write: (chunk: Uint8Array) => void chunks.push(chunk) };
		await receiveBody(request, sink, { maxBytes: this.maxBytes, watch: this.#uploads });
		const body = this.#buffers.take(lengthOf(chunks));
		gather(body, chunks);
		return body;
	}
}
