/** Resumable uploads in memory, for tests of what stands above them. Nothing expires, nobody is interrupted. */
import { PerigeeError } from '../../src/errors.js';
import type {
	FileStore,
	ResumableOptions,
	ResumableUpload,
	ResumableUploads,
	ResumeOptions,
	ResumeSession,
} from '../../src/log-layer/types.js';

interface Kept {
	options: ResumableOptions;
	bytes: Buffer;
	stored?: ResumableUpload['stored'];
}

const EXPIRES_MS = 4_102_444_800_000;

export class MemoryResumables implements ResumableUploads {
	readonly #store: Pick<FileStore, 'beginUpload'>;
	readonly #kept = new Map<string, Kept>();

	constructor(store: Pick<FileStore, 'beginUpload'>) {
		this.#store = store;
	}

	create(options: ResumableOptions): Promise<ResumableUpload> {
		const id = Buffer.alloc(24, this.#kept.size).toString('base64url');
		this.#kept.set(id, { options, bytes: Buffer.alloc(0) });
		return this.find(id);
	}

	async find(id: string): Promise<ResumableUpload> {
		const { options, bytes, stored } = this.#of(id);
		return { ...options, id, offsetBytes: bytes.length, expiresMs: EXPIRES_MS, ...(stored && { stored }) };
	}

	async resume(id: string, { offsetBytes, sizeBytes, expectedRoot }: ResumeOptions): Promise<ResumeSession> {
		const kept = this.#of(id);
		if (offsetBytes !== kept.bytes.length) throw new PerigeeError('UPLOAD_CONFLICT');
		if (sizeBytes !== undefined) kept.options = { ...kept.options, sizeBytes };
		if (expectedRoot !== undefined) kept.options = { ...kept.options, expectedRoot };
		const chunks: Buffer[] = [];
		return {
			interrupted: new AbortController().signal,
			write(chunk) {
				chunks.push(Buffer.from(chunk));
				return undefined;
			},
			pause: async () => {
				kept.bytes = Buffer.concat([kept.bytes, ...chunks]);
				if (kept.bytes.length === kept.options.sizeBytes) {
					const upload = this.#store.beginUpload(kept.options);
					await upload.write(kept.bytes);
					kept.stored = await upload.finish();
				}
				return this.find(id);
			},
			discard: () => Promise.resolve(),
		};
	}

	async remove(id: string): Promise<void> {
		this.#of(id);
		this.#kept.delete(id);
	}

	#of(id: string): Kept {
		const kept = this.#kept.get(id);
		if (!kept) throw new PerigeeError('UPLOAD_NOT_FOUND');
		return kept;
	}
}
