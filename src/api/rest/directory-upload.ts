/** A form whose files make one directory: POST /v1/upload?directory={name}. The files are stored as they come, what holds them together last. */
import type { Static } from 'typebox';
import type { UploadResult } from '../../log-layer/types.js';
import { type DataRoot, SEGMENT_BYTES } from '../../units.js';
import { submissionOf } from './awaited.js';
import { DIRECTORY_TYPE, encodeDirectory } from './directory-metadata.js';
import { DirectoryBuilder } from './directory-tree.js';
import type { RestContext, RestRequest } from './endpoint.js';
import { checkName } from './names.js';
import { counted, uploadBodyOf } from './put-upload.js';
import type { DIRECTORY_RESULT } from './schemas.js';

type DirectoryBody = Static<typeof DIRECTORY_RESULT>;

/** The directory that a request asks for; undefined for an ordinary form. Errors: BAD_NAME. */
export function directoryOf({ query }: RestRequest): DirectoryUpload | undefined {
	const name = query['directory'];
	if (name === undefined) return undefined;
	return new DirectoryUpload(checkName(name));
}

/** What of a directory has been stored. */
export class DirectoryUpload {
	readonly #name: string;
	readonly #tree = new DirectoryBuilder();
	readonly #files: { readonly path: string; readonly result: UploadResult | undefined }[] = [];

	constructor(name: string) {
		this.#name = name;
	}

	/** The name of the file at a path that is still free. Errors: BAD_PATH, DIRECTORY_TOO_LARGE. */
	nameAt(path: string): string {
		return this.#tree.check(path).at(-1) ?? '';
	}

	/** `result` is absent for an empty file, which has no root and stands in the metadata only. */
	add(path: string, result?: UploadResult): void {
		const { sizeBytes: size = 0, root } = result ?? {};
		this.#tree.addFile(path, { size, roots: root === undefined ? [] : [root] });
		this.#files.push({ path, result });
	}

	/** Stores the metadata. Errors: DIRECTORY_TOO_LARGE, ROOT_MISMATCH, and those of an upload. */
	async store(context: RestContext, expectedRoot: DataRoot | undefined): Promise<UploadResult> {
		const bytes = encodeDirectory(this.#tree.tree());
		const session = context.store.beginUpload({
			name: this.#name,
			contentType: DIRECTORY_TYPE,
			announcedBytes: bytes.length,
			...(expectedRoot === undefined ? {} : { expectedRoot }),
		});
		return await counted(context, session, async () => {
			for (let at = 0; at < bytes.length; at += SEGMENT_BYTES)
				await session.write(bytes.subarray(at, at + SEGMENT_BYTES));
			return await session.finish();
		});
	}

	/** The answer. `metadata`: the file that `store` has stored; `stored`: those with bytes, in their order, as they stand now. */
	async bodyOf(metadata: UploadResult, stored: readonly UploadResult[]): Promise<DirectoryBody> {
		const files: DirectoryBody['files'] = [];
		const left = stored.values();
		for (const { path, result } of this.#files) {
			const now: UploadResult | undefined = result && left.next().value;
			if (now) files.push({ path, size: now.sizeBytes, root: now.root, ...(await submissionOf(now)) });
			else files.push({ path, size: 0 });
		}
		return { ...(await uploadBodyOf(metadata)), files };
	}
}
