/** How a gateway's users name files, and what they learn of those that cannot be served (spec log-layer §8.3). */
import type { FileStore, StoredFile } from '../../../log-layer/types.js';
import { MAX_U64, type DataRoot, parseDataRoot } from '../../../units.js';
import { fileOfSeq } from '../../rpc/file-info.js';
import { Reply } from './envelope.js';

/** A sequence number or a root. */
export type Cid = bigint | DataRoot;

const SHOWN_CHARACTERS = 100;

/** A whole number of 64 bits; undefined when the text is none. */
export function u64Of(text: string): bigint | undefined {
	const value = /^[0-9]+$/.test(text) ? BigInt(text) : undefined;
	return value !== undefined && value <= MAX_U64 ? value : undefined;
}

/** A data root with 0x or without; undefined when the text is none. */
export function lenientRootOf(text: string): DataRoot | undefined {
	return parseDataRoot(text) ?? parseDataRoot(`0x${text}`);
}

/** What a text means that is a number or a root. */
export function cidOf(text: string): Cid | Reply {
	return u64Of(text) ?? lenientRootOf(text) ?? invalid(`"${shown(text)}" is neither a sequence number nor a data root`);
}

/** A parameter that cannot be used. */
export function invalid(why: string): Reply {
	return new Reply(1, why);
}

/** As much of a text as belongs in an answer. */
export function shown(text: string): string {
	return text.slice(0, SHOWN_CHARACTERS);
}

/** The file, also one that is pruned; undefined when it is unknown. */
export async function fileOfCid(store: FileStore, cid: Cid): Promise<StoredFile | undefined> {
	return typeof cid === 'bigint' ? fileOfSeq(store, cid) : store.fileByRoot(cid);
}

/** A file that is here whole, or why it is not. */
export async function wholeFile(store: FileStore, cid: Cid): Promise<StoredFile | Reply> {
	const file = await fileOfCid(store, cid);
	if (!file) return new Reply(101);
	if (file.deleted) return new Reply(102);
	return file.finalized ? file : new Reply(103);
}
