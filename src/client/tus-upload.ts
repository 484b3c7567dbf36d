/** One upload by tus 1.0: the core protocol, creation, and a length that comes later. */
import { pause, RequestError, type Requests } from './request.js';
import { lengthOf } from './source.js';
import type { ResumableOptions } from './upload.js';

const FIRST_PAUSE_MS = 200;
const TUS = { 'Tus-Resumable': '1.0.0' };

/** Knows what the node has answered for. */
export class TusUpload {
	readonly #requests: Requests;
	readonly #options: ResumableOptions;
	/** Undefined until the end of a stream is there. */
	#size: number | undefined;
	/** The node does not know the size yet. */
	#isDeferred: boolean;
	#address = '';
	/** Bytes that the node has answered for. */
	#offset = 0;
	/** Headers of the answer to the last piece. */
	#answer: Headers | undefined;

	constructor(requests: Requests, size: number | undefined, options: ResumableOptions) {
		this.#requests = requests;
		this.#size = size;
		this.#isDeferred = size === undefined;
		this.#options = options;
	}

	get size(): number | undefined {
		return this.#size;
	}

	/** The node has everything and has made a file of it. */
	get isSent(): boolean {
		return this.#offset === this.#size && this.#answer?.has('perigee-root') === true;
	}

	/** Begins the upload, or finds the one that was begun before. Answers where to go on. */
	async begin(type: string): Promise<number> {
		const { address, name, expectedRoot, onAddress, signal } = this.#options;
		if (address !== undefined) {
			this.#address = address;
			await this.#findOffset();
			return this.#offset;
		}
		const about = { filename: name, filetype: this.#options.type ?? type, root: expectedRoot };
		const metadata = Object.entries(about).flatMap(([key, value]) => (value ? [`${key} ${base64(value)}`] : []));
		const creation = this.#requests.urlOf('/v1/tus/');
		const { headers } = await this.#requests.ask(creation, {
			method: 'POST',
			headers: { ...TUS, ...this.#length(), 'Upload-Metadata': metadata.join(',') },
			signal,
		});
		const location = headers.get('location');
		if (location === null) throw unreadable('the node names no address of the upload');
		this.#address = new URL(location, creation).href;
		onAddress?.(this.#address);
		return 0;
	}

	/** Sends the bytes from the offset on. `isLast`: nothing comes behind them. */
	async send(piece: Blob | Uint8Array, isLast: boolean): Promise<void> {
		const start = this.#offset;
		const { signal, tries = 5 } = this.#options;
		const bytes = lengthOf(piece);
		if (isLast) this.#size ??= start + bytes;
		const isEnough = isLast ? start + bytes === this.#size : start + bytes < (this.#size ?? Number.POSITIVE_INFINITY);
		if (start + bytes === 0 || !isEnough) throw wrongSize(this.#size);
		for (let failures = 0; isLast ? !this.isSent : this.#offset < start + bytes; ) {
			const before = this.#offset;
			try {
				const done = before - start;
				await this.#patch(piece instanceof Blob ? piece.slice(done) : piece.subarray(done));
				if (this.#offset === before && !this.isSent)
					throw unreadable('the node took everything and names no data root');
			} catch (error) {
				failures++;
				if (!mayGoOn(error) || failures >= tries) throw error;
				await pause(FIRST_PAUSE_MS * 2 ** failures, signal);
				await this.#findOffset().catch((failure: unknown) => {
					if (!mayGoOn(failure)) throw failure;
				});
				if (this.#offset < start || this.#offset > start + bytes)
					throw unreadable('the node has lost bytes that it had');
			}
			if (this.#offset > before) failures = 0;
			this.#options.onProgress?.(this.#offset, this.#size);
		}
	}

	/** What the node said when everything was there. */
	result(): { readonly root: string; readonly txSeq: number; readonly size: number } {
		const root = this.#answer?.get('perigee-root');
		const txSeq = this.#answer?.get('perigee-tx-seq');
		if (!root || !txSeq) throw unreadable('the node took everything and names no data root');
		const { expectedRoot } = this.#options;
		if (expectedRoot !== undefined && expectedRoot.toLowerCase() !== root)
			throw new RequestError(`the content has the data root ${root}`, { code: 'ROOT_MISMATCH' });
		return { root, txSeq: Number(txSeq), size: this.#offset };
	}

	/** Of the whole upload, or that it comes later. */
	#length(): Record<string, string> {
		return this.#size === undefined ? { 'Upload-Defer-Length': '1' } : { 'Upload-Length': String(this.#size) };
	}

	async #patch(body: Blob | Uint8Array): Promise<void> {
		const { signal } = this.#options;
		const headers = {
			...TUS,
			...(this.#isDeferred && this.#size !== undefined ? this.#length() : {}),
			'Upload-Offset': String(this.#offset),
			'Content-Type': 'application/offset+octet-stream',
		};
		await this.#take(await this.#requests.ask(new URL(this.#address), { method: 'PATCH', headers, body, signal }));
	}

	async #findOffset(): Promise<void> {
		const { signal } = this.#options;
		const answer = await this.#requests.ask(new URL(this.#address), { method: 'HEAD', headers: TUS, signal });
		const length = answer.headers.get('upload-length');
		this.#isDeferred = length === null;
		if (length !== null) this.#size ??= Number(length);
		if (length !== null && Number(length) !== this.#size) throw unreadable('the upload is of content of another size');
		await this.#take(answer);
	}

	async #take(answer: Response): Promise<void> {
		await answer.body?.cancel();
		const offset = Number(answer.headers.get('upload-offset') ?? Number.NaN);
		if (!Number.isSafeInteger(offset) || offset < 0 || offset > (this.#size ?? offset))
			throw unreadable('the node names no offset');
		this.#offset = offset;
		this.#answer = answer.headers;
	}
}

/** 409: the node has other bytes than we think, because an answer of it was lost. Of other refusals, sending a piece again makes nothing better. */
function mayGoOn(error: unknown): boolean {
	if (!(error instanceof RequestError)) return false;
	return (
		(error.retryable && (error.status === 0 || error.status >= 500 || error.status === 408)) || error.status === 409
	);
}

function unreadable(message: string): RequestError {
	return new RequestError(message, { code: 'UNREADABLE' });
}

/** Of the text as UTF-8. */
function base64(text: string): string {
	return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

/** The content is not what was said of it. */
export function wrongSize(size: number | undefined): TypeError {
	return new TypeError(`the content has not the ${size} bytes that were announced`);
}
