/** The file `store.json`: which store this is, and in which format (docs/format.md §1). */
import { decodeFileStart, FIRST_GROUP_OFFSET } from '../append-log/format.js';
import type { Checksums } from '../append-log/types.js';
import { PerigeeError } from '../errors.js';
import type { Clock } from '../io/clock.js';
import type { Randomness } from '../io/randomness.js';
import type { StorageIo } from '../io/storage-io.js';
import { readFileIfThere, replaceFile, STORE_FORMAT } from './checkpoint.js';

const NAME = 'store.json';
const MAX_BYTES = 64 * 1024;

/** The store's 16-byte id: from store.json, else from a log file, else drawn and written down. Errors: FORMAT_UNKNOWN. */
export async function openIdentity(
	io: StorageIo,
	clock: Clock,
	randomness: Randomness,
	checksums: Checksums,
	dataDir: string,
): Promise<Uint8Array> {
	const bytes = await readFileIfThere(io, `${dataDir}/${NAME}`, MAX_BYTES);
	const known = bytes && parseIdentity(bytes);
	if (known) {
		if (known.format > STORE_FORMAT) {
			throw new PerigeeError(
				'FORMAT_UNKNOWN',
				`${dataDir} has format ${known.format}; this version knows up to ${STORE_FORMAT}`,
			);
		}
		return known.storeId;
	}
	const storeId = (await identityOfLog(io, checksums, `${dataDir}/log`)) ?? randomness.bytes(16);
	const fields = { format: STORE_FORMAT, storeId: Buffer.from(storeId).toString('hex'), createdMs: clock.nowMs() };
	await replaceFile(io, dataDir, NAME, Buffer.from(`${JSON.stringify(fields)}\n`));
	return storeId;
}

function parseIdentity(bytes: Buffer): { readonly format: number; readonly storeId: Uint8Array } | undefined {
	try {
		const fields = JSON.parse(bytes.toString()) as { readonly format?: unknown; readonly storeId?: unknown };
		if (
			typeof fields.format !== 'number' ||
			typeof fields.storeId !== 'string' ||
			!/^[0-9a-f]{32}$/.test(fields.storeId)
		)
			return undefined;
		return { format: fields.format, storeId: Buffer.from(fields.storeId, 'hex') };
	} catch {
		// A damaged store.json costs nothing: the log files name the store too.
		return undefined;
	}
}

async function identityOfLog(io: StorageIo, checksums: Checksums, directory: string): Promise<Uint8Array | undefined> {
	for (const name of await io.list(directory)) {
		const file = await io.open(`${directory}/${name}`, 'read');
		try {
			const start = Buffer.alloc(FIRST_GROUP_OFFSET);
			const header = decodeFileStart(start.subarray(0, await file.read(start, 0)), checksums);
			if (header) return header.storeId;
		} finally {
			await file.close();
		}
	}
	return undefined;
}
