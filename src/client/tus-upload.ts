/** One upload by tus 1.0: the core protocol, creation, and a length that comes later. */
import { type Answer, pause, RequestError, type Requests } from './request.js';
import { bodyOf, lengthOf, type Piece, wrongSize } from './source.js';
import type { ResumableOptions, UploadResult } from './upload.js';

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
	/** Bytes that were told of. */
	#toldBytes = 0;
	/** Headers of the answer to the last piece. */
	#answer: Answer['headers'] | undefined;
	/** Asked for once. */
	#expectedRoot: string | undefined;

	constructor(requests: Requests, size: number | undefined, options: ResumableOptions) {
		this.#requests = requests;
		this.#size = size;
		this.#isDeferred = size === undefined;
		this.#options = options;
		const { expectedRoot } = options;
		if (typeof expectedRoot === 'string') this.#expectedRoot = expectedRoot;
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
		const { address, name, onAddress, signal } = this.#options;
		if (address !== undefined) {
			this.#address = address;
			await this.#findOffset();
			return this.#offset;
		}
		const about = { filename: name, filetype: this.#options.type ?? type, root: this.#expectedRoot };
		const metadata = Object.entries(about).flatMap(([key, value]) => (value ? [`${key} ${base64(value)}`] : []));
		const creation = this.#requests.urlOf('/v1/tus/');
		const { headers } = await this.#requests.ask(creation, {
			method: 'POST',
			headers: { ...TUS, ...this.#length(), 'Upload-Metadata': metadata.join(',') },
			signal,
		});
		const location = headers.get('location');
		if (location === null) throw unreadable('the node names no address of the upload');
		// A node does not know below which path of another server it stands.
		const isOfNode = location.startsWith('/v1/tus/');
		this.#address = (isOfNode ? this.#requests.urlOf(location) : new URL(location, creation)).href;
		await onAddress?.(this.#address);
		return 0;
	}

	/** Sends the bytes from the offset on. `isLast`: nothing comes behind them. Errors: what reading the piece throws, too. */
	async send(piece: Piece, isLast: boolean): Promise<void> {
		const start = this.#offset;
		const { signal, tries = 5 } = this.#options;
		const bytes = lengthOf(piece);
		if (isLast) this.#size ??= start + bytes;
		const isEnough = isLast ? start + bytes === this.#size : start + bytes < (this.#size ?? Number.POSITIVE_INFINITY);
		if (start + bytes === 0 || !isEnough) throw wrongSize(this.#size);
		if (isLast) await this.#askRoot();
		for (let failures = 0; isLast ? !this.isSent : this.#offset < start + bytes; ) {
			const before = this.#offset;
			try {
				await this.#patch(piece, before - start, isLast);
				if (this.#offset === before && !this.isSent)
					throw unreadable('the node took everything and names no data root');
			} catch (error) {
				failures++;
				if (!mayGoOn(error) || failures >= tries) throw error;
				await pause(FIRST_PAUSE_MS * 2 ** failures, signal);
				await this.#findOffset().catch((failure: unknown) => {
					if (!mayGoOn(failure)) throw failure;
				});
				if (this.#offset < start) throw unreadable('the node has lost bytes that it had');
				if (this.#offset > start + bytes) throw takenOver();
			}
			if (this.#offset > before) failures = 0;
			this.#tell(this.#offset);
		}
	}

	/** A count does not go back where bytes are sent again. */
	#tell(doneBytes: number): void {
		if (doneBytes <= this.#toldBytes) return;
		this.#toldBytes = doneBytes;
		this.#options.onProgress?.(doneBytes, this.#size);
	}

	async #askRoot(): Promise<void> {
		const { expectedRoot } = this.#options;
		if (typeof expectedRoot === 'function') this.#expectedRoot ??= await expectedRoot();
	}

	/** What the node said when everything was there. */
	async result(): Promise<Pick<UploadResult, 'root' | 'txSeq' | 'pending' | 'size'>> {
		const root = this.#answer?.get('perigee-root');
		const txSeq = this.#answer?.get('perigee-tx-seq');
		const pending = this.#answer?.get('perigee-pending');
		if (!root || !(txSeq || pending)) throw unreadable('the node took everything and names no data root');
		await this.#askRoot();
		if (this.#expectedRoot !== undefined && this.#expectedRoot.toLowerCase() !== root)
			throw new RequestError(`the content has the data root ${root}`, { code: 'ROOT_MISMATCH' });
		return {
			root,
			...(txSeq ? { txSeq: Number(txSeq) } : pendingIn(pending ?? '')),
			size: this.#offset,
		};
	}

	/** Of the whole upload, or that it comes later. */
	#length(): Record<string, string> {
		return this.#size === undefined ? { 'Upload-Defer-Length': '1' } : { 'Upload-Length': String(this.#size) };
	}

	/** Sends what is behind the first `done` bytes of a piece. */
	async #patch(piece: Piece, done: number, isLast: boolean): Promise<void> {
		const { signal } = this.#options;
		let sent = this.#offset;
		let isOver = false;
		const { body, headers, failures } = bodyOf(
			piece,
			done,
			(count) => this.#tell((sent += count)),
			() => isOver || signal?.aborted === true,
		);
		const request = {
			method: 'PATCH',
			headers: {
				...TUS,
				...headers,
				...(this.#isDeferred && this.#size !== undefined ? this.#length() : {}),
				...(isLast && this.#expectedRoot !== undefined ? { 'Perigee-Expected-Root': this.#expectedRoot } : {}),
				'Upload-Offset': String(this.#offset),
				'Content-Type': 'application/offset+octet-stream',
			},
			body,
			signal,
		};
		try {
			await this.#take(await this.#requests.ask(new URL(this.#address), request));
		} catch (error) {
			throw failures.length > 0 ? failures[0] : error;
		} finally {
			isOver = true;
		}
	}

	/** Errors: UPLOAD_NOT_FOUND, ROOT_MISMATCH too: an answer to HEAD has no body that could tell. */
	async #findOffset(): Promise<void> {
		const { signal } = this.#options;
		const asked = this.#requests.ask(new URL(this.#address), { method: 'HEAD', headers: TUS, signal });
		const answer = await asked.catch((error: unknown) => {
			throw toldByHead(error);
		});
		const length = answer.headers.get('upload-length');
		this.#isDeferred = length === null;
		if (length !== null) this.#size ??= Number(length);
		if (length !== null && Number(length) !== this.#size) throw unreadable('the upload is of content of another size');
		await this.#take(answer);
	}

	async #take(answer: Answer): Promise<void> {
		await answer.body?.cancel();
		const offset = Number(answer.headers.get('upload-offset') ?? Number.NaN);
		if (!Number.isSafeInteger(offset) || offset < 0 || offset > (this.#size ?? offset))
			throw unreadable('the node names no offset');
		this.#offset = offset;
		this.#answer = answer.headers;
	}
}

/**
 * 409: the node has other bytes than we think, because an answer of it was lost. Of other refusals, sending a piece again makes nothing better; a
 * full disk (507) takes longer than we wait.
 */
function mayGoOn(error: unknown): boolean {
	if (!(error instanceof RequestError)) return false;
	const { retryable, status } = error;
	return (retryable && (status === 0 || status === 408 || (status >= 500 && status !== 507))) || status === 409;
}

function toldByHead(error: unknown): unknown {
	if (!(error instanceof RequestError)) return error;
	const { status } = error;
	if (status === 404)
		return new RequestError('the node knows no upload at this address', {
			code: 'UPLOAD_NOT_FOUND',
			status,
			hint: 'It was ended or has expired, or the address is wrong; begin a new one.',
		});
	if (status === 422)
		return new RequestError('what came of the upload has another data root than was said', {
			code: 'ROOT_MISMATCH',
			status,
			hint: 'Nothing was stored; send the content again.',
		});
	return error;
}

function takenOver(): RequestError {
	return new RequestError('somebody else has sent more of the same upload meanwhile', {
		code: 'UPLOAD_TAKEN_OVER',
		retryable: true,
		hint: 'Go on with the same address when the other one is through.',
	});
}

function unreadable(message: string): RequestError {
	return new RequestError(message, { code: 'UNREADABLE' });
}

/** Of the text as UTF-8. */
function base64(text: string): string {
	return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

/** Nothing, where the node has been restarted since and knows no more of it. */
function pendingIn(header: string): Pick<UploadResult, 'pending'> {
	try {
		const pending = JSON.parse(header) as Partial<NonNullable<UploadResult['pending']>>;
		return pending.submission ? { pending: pending as NonNullable<UploadResult['pending']> } : {};
	} catch {
		throw unreadable('the node tells of the submission what cannot be read');
	}
}
