/**
 * One keep-alive HTTP connection that costs its process as little as possible: requests are bytes made beforehand, all reads
 * land in one buffer, and of an answer only status and length are looked at. Answers must carry Content-Length, but for 204.
 */
import { connect, type Socket } from 'node:net';

const READ_BYTES = 1024 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');
const MAX_HEAD_BYTES = 65_536;
const NO_CONTENT = 204;

export interface AnswerHead {
	readonly status: number;
	/** Status line and headers. */
	readonly text: string;
}

export interface Answer extends AnswerHead {
	/** Only if `keepBody` was asked for. */
	readonly body: Buffer;
}

export interface ExchangeOptions {
	/** Gets the body piece by piece; the bytes are only valid during the call. */
	readonly onBody?: (piece: Buffer) => void;
	readonly keepBody?: boolean;
}

interface Exchange extends ExchangeOptions {
	readonly resolve: (answer: Answer) => void;
	readonly reject: (error: Error) => void;
	readonly body: Buffer[];
}

export class HttpConnection {
	readonly #socket: Socket;
	#exchange: Exchange | undefined;
	#head: AnswerHead | undefined;
	#headBytes: Buffer = Buffer.alloc(0);
	#bodyLeft = 0;

	private constructor(port: number) {
		const buffer = Buffer.allocUnsafe(READ_BYTES);
		this.#socket = connect({
			host: '127.0.0.1',
			port,
			noDelay: true,
			onread: {
				buffer,
				callback: (count) => {
					this.#take(buffer.subarray(0, count));
					return true;
				},
			},
		});
		this.#socket.on('error', (error) => this.#fail(error));
		this.#socket.on('close', () => this.#fail(new Error('the server closed the connection')));
	}

	static async open(port: number): Promise<HttpConnection> {
		const connection = new HttpConnection(port);
		await new Promise<void>((resolve, reject) => {
			connection.#socket.once('connect', resolve).once('error', reject);
		});
		return connection;
	}

	/** Resolves with the next answer. One at a time. */
	answer(options: ExchangeOptions = {}): Promise<Answer> {
		if (this.#exchange) throw new Error('an answer is awaited already');
		return new Promise((resolve, reject) => {
			this.#exchange = { ...options, resolve, reject, body: [] };
		});
	}

	/** Sends bytes; `taken` is called once they may change. */
	write(bytes: Uint8Array, taken?: () => void): void {
		this.#socket.write(bytes, taken);
	}

	close(): void {
		this.#exchange = undefined;
		this.#socket.destroy();
	}

	#take(bytes: Buffer): void {
		try {
			let rest = bytes;
			while (rest.length > 0) rest = this.#head ? this.#takeBody(this.#head, rest) : this.#takeHead(rest);
		} catch (error) {
			this.#fail(error as Error);
			this.#socket.destroy();
		}
	}

	#takeHead(bytes: Buffer): Buffer {
		const all = this.#headBytes.length === 0 ? bytes : Buffer.concat([this.#headBytes, bytes]);
		const end = all.indexOf(HEAD_END);
		if (end < 0) {
			if (all.length > MAX_HEAD_BYTES) throw new Error('the headers of an answer do not end');
			this.#headBytes = Buffer.from(all);
			return bytes.subarray(bytes.length);
		}
		this.#headBytes = Buffer.alloc(0);
		const text = all.toString('latin1', 0, end);
		const status = Number(text.slice(9, 12));
		const length = status === NO_CONTENT ? '0' : /^content-length: *(\d+)/im.exec(text)?.[1];
		if (length === undefined) throw new Error(`an answer without Content-Length: ${text}`);
		this.#head = { status, text };
		this.#bodyLeft = Number(length);
		if (this.#bodyLeft === 0) this.#finish(this.#head);
		return all.subarray(end + HEAD_END.length);
	}

	#takeBody(head: AnswerHead, bytes: Buffer): Buffer {
		const piece = bytes.length <= this.#bodyLeft ? bytes : bytes.subarray(0, this.#bodyLeft);
		const exchange = this.#exchange;
		if (exchange?.onBody) exchange.onBody(piece);
		if (exchange?.keepBody) exchange.body.push(Buffer.from(piece));
		this.#bodyLeft -= piece.length;
		if (this.#bodyLeft === 0) this.#finish(head);
		return bytes.subarray(piece.length);
	}

	#finish(head: AnswerHead): void {
		const exchange = this.#exchange;
		if (!exchange) throw new Error(`an answer that nobody asked for: ${head.text}`);
		this.#exchange = undefined;
		this.#head = undefined;
		exchange.resolve({ ...head, body: Buffer.concat(exchange.body) });
	}

	#fail(error: Error): void {
		const exchange = this.#exchange;
		this.#exchange = undefined;
		exchange?.reject(error);
	}
}

/** Throws unless the answer has one of these statuses. */
export function expectStatus(answer: Answer, ...statuses: readonly number[]): void {
	if (statuses.includes(answer.status)) return;
	throw new Error(`answered ${answer.text}\n${answer.body.toString('utf8').slice(0, 2000)}`);
}
