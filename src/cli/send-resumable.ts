/**
 * A large file to a node by tus 1.0: what breaks goes on from where the node stands, in this run or in a later one. The file is hashed from its
 * beginning in any case, and compared with the root that the node computed.
 */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { SEGMENT_BYTES } from '../units.js';
import { drained } from './drained.js';
import { CliError } from './exit-codes.js';
import { changedWhileRead, finishHash, otherRoot, readLocal } from './local-file.js';
import { accepted, type NodeClient, type NodeRequest } from './node-client.js';
import { RootStream } from './root-stream.js';
import type { FileToSend, UploadAnswer } from './send-file.js';
import { UploadNote } from './upload-notes.js';

export interface LocalFile extends FileToSend {
	readonly source: string;
	readonly sizeBytes: number;
}

const TUS = { 'Tus-Resumable': '1.0.0' };
/** Before each try after a failure. */
const PAUSES_MS = [200, 1000, 3000, 10_000];

/** Errors: CliError; what came stays with the node, and the next call for the same file goes on there. */
export async function sendResumable(client: NodeClient, file: LocalFile): Promise<UploadAnswer> {
	const note = await UploadNote.of(client.name, file.source, [file.name, file.type ?? '']);
	const upload = new ResumableSend(client, file, note);
	return await upload.run();
}

class ResumableSend {
	readonly #client: NodeClient;
	readonly #file: LocalFile;
	readonly #note: UploadNote;
	readonly #hash: RootStream;
	#address: string | undefined;
	/** Where the node stands. */
	#offset = 0;
	#shownBytes = 0;

	constructor(client: NodeClient, file: LocalFile, note: UploadNote) {
		this.#client = client;
		this.#file = file;
		this.#note = note;
		this.#hash = new RootStream(file.sizeBytes);
	}

	async run(): Promise<UploadAnswer> {
		this.#address = await this.#note.read();
		let stored = this.#address === undefined ? undefined : await this.#stand();
		for (let failures = 0; stored === undefined; ) {
			const before = this.#offset;
			try {
				if (this.#address === undefined) await this.#create();
				stored = await this.#sendRest();
			} catch (error) {
				// Without an address there was no node in the first place.
				if (!isBroken(error) || this.#address === undefined) throw error;
				failures = this.#offset > before ? 0 : failures + 1;
				const pauseMs = PAUSES_MS[failures];
				if (pauseMs === undefined) throw goesOn(error);
				await delay(pauseMs);
				stored = await this.#stand().catch((again: unknown) => {
					if (!isBroken(again)) throw again;
					return undefined;
				});
			}
		}
		await this.#hashRest();
		// The node has all of it: should it be other content than the file has now, the next run begins anew.
		await this.#note.remove();
		return this.#check(stored);
	}

	async #create(): Promise<void> {
		const { name, type, sizeBytes } = this.#file;
		const metadata = [`filename ${Buffer.from(name).toString('base64')}`];
		if (type !== undefined) metadata.push(`filetype ${Buffer.from(type).toString('base64')}`);
		const headers = { 'Upload-Length': sizeBytes, 'Upload-Metadata': metadata.join(',') };
		const created = await accepted(await this.#ask('POST', '/v1/tus/', headers));
		created.resume();
		const { location } = created.headers;
		if (location === undefined || !location.startsWith('/v1/tus/'))
			throw new CliError('failure', 'the node begins no resumable upload', {
				hint: 'Is this the address of a Perigee node?',
			});
		this.#address = location;
		this.#offset = 0;
		await this.#note.write(location);
	}

	/** Asks how far the node has come; answers the head of an upload that is complete. One that is unknown by now begins anew. */
	async #stand(): Promise<IncomingMessage | undefined> {
		const answer = await this.#ask('HEAD', this.#address ?? '', {});
		answer.resume();
		if (answer.statusCode === 404) {
			this.#address = undefined;
			this.#offset = 0;
			return undefined;
		}
		if (answer.statusCode !== 200)
			throw new CliError('busy', `the node answered with status ${answer.statusCode}`, { hint: 'Try again later.' });
		this.#offset = Number(answer.headers['upload-offset']);
		return answer.headers['perigee-root'] === undefined ? undefined : answer;
	}

	/** Sends what the node does not have; answers the head of the complete upload. */
	async #sendRest(): Promise<IncomingMessage> {
		const { source, sizeBytes } = this.#file;
		const from = this.#offset;
		const { outgoing, answer } = this.#client.begin({
			method: 'PATCH',
			path: this.#address ?? '',
			headers: {
				...TUS,
				'Content-Type': 'application/offset+octet-stream',
				'Content-Length': sizeBytes - from,
				'Upload-Offset': from,
			},
		});
		const reading = readLocal(source, sizeBytes);
		const sending = (async (): Promise<void> => {
			let at = 0;
			for await (const chunk of reading as AsyncIterable<Buffer>) {
				this.#take(chunk, at);
				const rest = at + chunk.length > from ? chunk.subarray(Math.max(0, from - at)) : undefined;
				at += chunk.length;
				if (outgoing.destroyed) return;
				if (rest && !outgoing.write(rest)) await drained(outgoing);
			}
			if (at === sizeBytes) outgoing.end();
			else outgoing.destroy(changedWhileRead(source));
		})();
		try {
			const incoming = await Promise.race([answer, sending.then(() => answer)]);
			const head = await accepted(incoming);
			head.resume();
			await sending;
			this.#offset = sizeBytes;
			return head;
		} finally {
			outgoing.destroy();
			reading.destroy();
			await sending.catch(() => undefined);
		}
	}

	/** What the node had already was not read yet. */
	async #hashRest(): Promise<void> {
		const { source, sizeBytes } = this.#file;
		if (this.#hash.sizeBytes >= sizeBytes) return;
		let at = 0;
		for await (const chunk of readLocal(source, sizeBytes) as AsyncIterable<Buffer>) {
			this.#take(chunk, at);
			at += chunk.length;
		}
	}

	/** Hashes what was not hashed by an earlier try. */
	#take(chunk: Buffer, at: number): void {
		const known = this.#hash.sizeBytes - at;
		if (known < chunk.length) this.#hash.update(known > 0 ? chunk.subarray(known) : chunk);
		const done = Math.max(this.#shownBytes, at + chunk.length);
		this.#file.onSent(done - this.#shownBytes);
		this.#shownBytes = done;
	}

	#check({ headers }: IncomingMessage): UploadAnswer {
		const { label, name, sizeBytes } = this.#file;
		if (this.#hash.sizeBytes !== sizeBytes) throw changedWhileRead(label);
		const { root } = finishHash(this.#hash, label);
		if (headers['perigee-root'] !== root) throw otherRoot(label, headers['perigee-root'], root);
		const txSeq = Number(headers['perigee-tx-seq']);
		return { root, txSeq, size: sizeBytes, name, segments: Math.ceil(sizeBytes / SEGMENT_BYTES) };
	}

	async #ask(method: NodeRequest['method'], path: string, headers: OutgoingHttpHeaders): Promise<IncomingMessage> {
		const { outgoing, answer } = this.#client.begin({ method, path, headers: { ...TUS, ...headers } });
		outgoing.end();
		return answer;
	}
}

/** The connection broke, or the node stands elsewhere than was thought: asking where it stands helps. */
function isBroken(error: unknown): error is CliError {
	return error instanceof CliError && (error.exit === 'unreachable' || error.code === 'UPLOAD_CONFLICT');
}

function goesOn(error: CliError): CliError {
	return new CliError(error.exit, error.message, { hint: 'What came is kept: the same command goes on there.' });
}
