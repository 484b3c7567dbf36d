/**
 * `perigee/client`: a node's REST interface for Node and browsers, over `fetch` alone. Downloads are verified against the data root while they
 * arrive and go on where a connection broke off; uploads can go on too.
 */
import type { Static } from 'typebox';
import type {
	FILE_INFO,
	FLOW_STATE,
	LISTED_FILE,
	FILE_LIST,
	LIVENESS,
	READINESS,
	SEGMENT_WITH_PROOF,
} from '../api/rest/schemas.js';
import { checkedSize, type DownloadOptions, type Unverified, unverified, verifiedBytes } from './download.js';
import { type ClientOptions, Requests } from './request.js';
import { type Content, streamOf } from './source.js';
import {
	type ResumableOptions,
	uploadAtOnce,
	type UploadOptions,
	type UploadResult,
	uploadResumably,
} from './upload.js';

export { type Answer, type ClientOptions, type Fetch, type FetchRequest, RequestError } from './request.js';
export type { Content, Reopenable } from './source.js';
export type { DownloadOptions, Unverified } from './download.js';
export type { ResumableOptions, UploadOptions, UploadResult } from './upload.js';
export { VerifyError } from './verify.js';

export type FileInfo = Static<typeof FILE_INFO>;
export type ListedFile = Static<typeof LISTED_FILE>;

export interface ListQuery {
	/** Only names that begin so. */
	readonly prefix?: string;
	readonly newestFirst?: boolean;
	/** Only files that are held here whole, or only others. */
	readonly finalized?: boolean;
	/** Only files that were deleted here, or only others. */
	readonly deleted?: boolean;
	/** Every submission instead of every file. */
	readonly submissions?: boolean;
	/** Most entries; all when absent. */
	readonly limit?: number;
	readonly signal?: AbortSignal;
}

/** Entries of a page when nothing is said. */
const PAGE_ENTRIES = 100;

interface Cancel {
	readonly signal?: AbortSignal;
}

/** One node. Errors of all calls: RequestError, and what the signal says once it is aborted. */
export class PerigeeClient {
	readonly #requests: Requests;

	constructor(options: ClientOptions) {
		this.#requests = new Requests(options);
	}

	/** Stores content in one request; what broke off is begun anew by the caller. */
	upload(content: Content, options: UploadOptions = {}): Promise<UploadResult> {
		return uploadAtOnce(this.#requests, content, options);
	}

	/** Stores content in several requests and goes on where one broke off, also with the address of an upload that another program began. */
	uploadResumably(content: Content, options: ResumableOptions = {}): Promise<UploadResult> {
		return uploadResumably(this.#requests, content, options);
	}

	/** The bytes of a file or of a part of it, each verified before it is given. Errors: VerifyError too. */
	download(root: string, options: DownloadOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
		return verifiedBytes(this.#requests, root, options);
	}

	/** The same as a stream. */
	downloadStream(root: string, options: DownloadOptions = {}): ReadableStream<Uint8Array> {
		return streamOf(this.download(root, options));
	}

	/** A file as the node sends it, for who checks it by other means: nothing is verified, and nothing goes on where it broke off. */
	unverified(root: string, { signal }: Cancel = {}): Promise<Unverified> {
		return unverified(this.#requests, root, signal);
	}

	/** A segment with its Merkle proof, unverified. */
	segment(root: string, index: number, options: Cancel = {}): Promise<Static<typeof SEGMENT_WITH_PROOF>> {
		return this.#requests.json(`/v1/files/${root}/segments/${index}?proof=1`, options);
	}

	/** The size of a file, checked against its root, but for zero bytes at its end (docs/range-proof.md). Errors: VerifyError too. */
	size(root: string, { signal }: Cancel = {}): Promise<number> {
		return checkedSize(this.#requests, root, signal);
	}

	/** What the node says of a file; nothing of it is checked. */
	info(root: string, options: Cancel = {}): Promise<FileInfo> {
		return this.#requests.json(`/v1/files/${root}/info`, options);
	}

	/** What the node says of a submission. */
	submission(txSeq: number, options: Cancel = {}): Promise<FileInfo> {
		return this.#requests.json(`/v1/submissions/${txSeq}/info`, options);
	}

	/** The files that the node knows, asked for page by page as they are taken. */
	async *list(query: ListQuery = {}): AsyncGenerator<ListedFile, void, undefined> {
		const { prefix, newestFirst, finalized, deleted, submissions, signal } = query;
		let left = query.limit ?? Number.POSITIVE_INFINITY;
		const asked = new URLSearchParams();
		for (const [name, value] of Object.entries({ prefix, finalized, deleted, order: newestFirst ? 'desc' : undefined }))
			if (value !== undefined) asked.set(name, String(value));
		while (left > 0) {
			if (left < PAGE_ENTRIES) asked.set('limit', String(left));
			const path = `/v1/${submissions ? 'submissions' : 'files'}?${asked.toString()}`;
			const page = await this.#requests.json<Static<typeof FILE_LIST>>(path, { signal });
			yield* page.files.slice(0, left);
			left -= page.files.length;
			if (page.next === undefined) return;
			asked.set('cursor', page.next);
		}
	}

	/** Deletes the content of a file on the node; resolves once that is durable. */
	async remove(root: string, options: Cancel = {}): Promise<void> {
		const answer = await this.#requests.ask(`/v1/files/${root}`, { ...options, method: 'DELETE' });
		await answer.body?.cancel();
	}

	/** Root and length of the node's flow. */
	flow(options: Cancel = {}): Promise<Static<typeof FLOW_STATE>> {
		return this.#requests.json('/v1/flow', options);
	}

	/** Whether the node takes uploads, and everything that its operator should know. */
	ready(options: Cancel = {}): Promise<Static<typeof READINESS>> {
		// With 503 it says the same.
		return this.#requests.json('/health/ready', { ...options, accepted: 503 });
	}

	/** Whether the node answers, and its version. */
	live(options: Cancel = {}): Promise<Static<typeof LIVENESS>> {
		return this.#requests.json('/health/live', options);
	}
}
