/** Bodies of JSON, which are needed whole before anything can be done with them: bounded all together, in memory that is used again. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { PerigeeError } from '../../errors.js';
import type { Clock } from '../../io/clock.js';
import { LIMITS } from '../../limits.js';
import { freeMemory, gather } from '../../native/addon.js';
import { sendContinue } from '../rest/problem.js';
import { type BodyLimits, receiveBody } from '../rest/receive-body.js';
import type { UploadWatch } from '../rest/upload-watch.js';
import { BodyBudget, type BodyRoom } from './body-budget.js';
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
	/** One after the other: the others do not wait for it. */
	readonly #large: BodyBudget;
	readonly #middle: BodyBudget;
	/** Questions do not wait behind segments. */
	readonly #small: BodyBudget;

	constructor(uploads: UploadWatch, clock: Clock, maxBytes: number) {
		this.#uploads = uploads;
		this.#large = new BodyBudget(0, clock);
		this.#middle = new BodyBudget(LIMITS.rpcBodiesBytes, clock);
		this.#small = new BodyBudget(LIMITS.rpcSmallBodiesBytes, clock);
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
		const room = await this.#budgetOf(bytes).take(bytes);
		try {
			sendContinue(request, response);
			const body =
				announced === undefined ? await this.#gathered(request, room) : await this.#filled(request, bytes, room);
			room.isWhole();
			const used = await use(body);
			this.#buffers.give(body);
			return used;
		} finally {
			room.give();
		}
	}

	#budgetOf(bytes: number): BodyBudget {
		if (bytes <= LIMITS.rpcSmallBodyBytes) return this.#small;
		return bytes <= LIMITS.rpcMiddleBodyBytes ? this.#middle : this.#large;
	}

	async #filled(request: IncomingMessage, bytes: number, room: BodyRoom): Promise<Buffer> {
		const body = this.#buffers.take(bytes);
		let filled = 0;
		const write = (chunk: Uint8Array): undefined => {
			room.came(chunk.length);
			filled += gather(body.subarray(filled), [chunk]);
			freeMemory(chunk);
		};
		await receiveBody(request, { write }, this.#limits(room));
		return body;
	}

	/** Of a body that does not tell its length. */
	async #gathered(request: IncomingMessage, room: BodyRoom): Promise<Buffer> {
		const chunks: Uint8Array[] = [];
		const write = (chunk: Uint8Array): undefined => {
			room.came(chunk.length);
			chunks.push(chunk);
		};
		await receiveBody(request, { write }, this.#limits(room));
		const body = this.#buffers.take(lengthOf(chunks));
		gather(body, chunks);
		return body;
	}

	#limits({ refused }: BodyRoom): BodyLimits {
		return { maxBytes: this.maxBytes, watch: this.#uploads, signal: refused };
	}
}
