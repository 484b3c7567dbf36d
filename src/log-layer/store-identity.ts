/** The file `store.json`: which store this is, in which format, and which volumes it has (docs/format.md §1). */
import { decodeFileStart, FIRST_GROUP_OFFSET, type FileHeader } from '../append-log/format.js';
import { parseLogFileName } from '../append-log/log-files.js';
import type { Checksums } from '../append-log/types.js';
import { PerigeeError } from '../errors.js';
import type { Clock } from '../io/clock.js';
import type { Randomness } from '../io/randomness.js';
import type { StorageIo } from '../io/storage-io.js';
import { readFileIfThere, replaceFile, STORE_FORMAT } from './checkpoint.js';
import { NOTHING_GIVEN_UP, parseGivenUp, withGivenUp, type GivenUp } from './given-up.js';
import type { Losses } from './losses.js';
import { openSealedJson, sealJson } from './sealed-json.js';

export const IDENTITY_NAME = 'store.json';
export const IDENTITY_MAX_BYTES = 64 * 1024;
const STORE_ID_BYTES = 16;
/** No store has it. */
export const NO_STORE = new Uint8Array(STORE_ID_BYTES);

export interface StoreIdentity {
	/** 16 bytes. */
	readonly storeId: Uint8Array;
	readonly createdMs: number;
	/** Volumes beside the data directory that were ever taken into use and not given up. */
	readonly volumes: readonly KnownVolume[];
	readonly givenUp: GivenUp;
	/** There are log files, and store.json was missing or could not be read: volumes and what was given up are forgotten. */
	readonly wasLost: boolean;
}

export interface KnownVolume {
	/** From 1 on. */
	readonly volume: number;
	/** Where it was when it was last there. */
	readonly dataDir: string;
}

/** The store's identity: from store.json, else from a log file, else drawn and written down. Errors: FORMAT_UNKNOWN. */
export async function openIdentity(
	io: StorageIo,
	clock: Clock,
	randomness: Randomness,
	checksums: Checksums,
	dataDir: string,
): Promise<StoreIdentity> {
	const known = await readIdentity(io, dataDir);
	if (known) return known;
	const found = identityIn(await headerOfLog(io, checksums, `${dataDir}/log`));
	const storeId = found.wasLost ? found.storeId : randomness.bytes(STORE_ID_BYTES);
	const identity: StoreIdentity = { ...found, storeId, createdMs: clock.nowMs() };
	await writeIdentity(io, dataDir, identity);
	return identity;
}

/** The same without a change; of a store that is not there yet one with the id NO_STORE. Errors: FORMAT_UNKNOWN. */
export async function readIdentityOrNone(io: StorageIo, checksums: Checksums, dataDir: string): Promise<StoreIdentity> {
	return (await readIdentity(io, dataDir)) ?? identityIn(await headerOfLog(io, checksums, `${dataDir}/log`));
}

/** What a log file, if there is one, tells of a store whose store.json is missing. */
function identityIn(header: FileHeader | undefined): StoreIdentity {
	const storeId = header?.storeId ?? NO_STORE;
	return { storeId, createdMs: 0, volumes: [], givenUp: NOTHING_GIVEN_UP, wasLost: header !== undefined };
}

/** What store.json says; undefined when it is missing or damaged. Errors: FORMAT_UNKNOWN. */
async function readIdentity(io: StorageIo, dataDir: string): Promise<StoreIdentity | undefined> {
	const bytes = await readFileIfThere(io, `${dataDir}/${IDENTITY_NAME}`, IDENTITY_MAX_BYTES);
	const fields = bytes && parseNamedStore(bytes);
	if (!fields) return undefined;
	assertKnownFormat(dataDir, fields.format);
	const volumes = Array.isArray(fields['volumes']) ? fields['volumes'].filter(isKnownVolume) : [];
	const createdMs = typeof fields['createdMs'] === 'number' ? fields['createdMs'] : 0;
	return { storeId: fields.storeId, createdMs, volumes, givenUp: parseGivenUp(fields['givenUp']), wasLost: false };
}

/** Replaces store.json durably. */
export async function writeIdentity(io: StorageIo, dataDir: string, identity: StoreIdentity): Promise<void> {
	const fields = {
		format: STORE_FORMAT,
		storeId: Buffer.from(identity.storeId).toString('hex'),
		createdMs: identity.createdMs,
		...(identity.volumes.length > 0 ? { volumes: identity.volumes } : {}),
		...(identity.givenUp === NOTHING_GIVEN_UP ? {} : { givenUp: identity.givenUp }),
	};
	await replaceFile(io, dataDir, IDENTITY_NAME, sealJson(fields));
}

/** From the next open on, what is missing now does not belong to the store any more. */
export async function giveUp(io: StorageIo, dataDir: string, { files, volumes }: Losses): Promise<void> {
	const identity = await readIdentity(io, dataDir);
	if (!identity) throw new Error('an open store without store.json');
	const lost = new Set(volumes.map(({ volume }) => volume));
	await writeIdentity(io, dataDir, {
		...identity,
		volumes: identity.volumes.filter(({ volume }) => !lost.has(volume)),
		givenUp: withGivenUp(identity.givenUp, files, volumes),
	});
}

/** Fields of a sealed file that names format and store; undefined when it is none: log files name the store too. */
export function parseNamedStore(
	bytes: Buffer,
): (Record<string, unknown> & { readonly format: number; readonly storeId: Uint8Array }) | undefined {
	const fields = (openSealedJson(bytes) ?? {}) as Record<string, unknown>;
	const { format, storeId } = fields;
	if (typeof format !== 'number' || typeof storeId !== 'string' || !/^[0-9a-f]{32}$/.test(storeId)) return undefined;
	return { ...fields, format, storeId: Buffer.from(storeId, 'hex') };
}

/** Errors: FORMAT_UNKNOWN. */
export function assertKnownFormat(directory: string, format: number): void {
	if (format <= STORE_FORMAT) return;
	throw new PerigeeError(
		'FORMAT_UNKNOWN',
		`${directory} has format ${format}; this version knows up to ${STORE_FORMAT}`,
	);
}

/** The first file header that can be read in a directory of log files. */
export async function headerOfLog(
	io: StorageIo,
	checksums: Checksums,
	directory: string,
): Promise<FileHeader | undefined> {
	for (const name of await io.list(directory)) {
		const header = parseLogFileName(name) && (await readFileHeader(io, checksums, `${directory}/${name}`));
		if (header) return header;
	}
	return undefined;
}

/** The header of a log file; undefined when it cannot be made out. Errors: those of StorageIo. */
export async function readFileHeader(
	io: StorageIo,
	checksums: Checksums,
	path: string,
): Promise<FileHeader | undefined> {
	const file = await io.open(path, 'read');
	try {
		const start = Buffer.alloc(FIRST_GROUP_OFFSET);
		return decodeFileStart(start.subarray(0, await file.read(start, 0)), checksums);
	} finally {
		await file.close();
	}
}

function isKnownVolume(value: unknown): value is KnownVolume {
	if (typeof value !== 'object' || value === null) return false;
	const { volume, dataDir } = value as Partial<KnownVolume>;
	return Number.isSafeInteger(volume) && Number(volume) > 0 && typeof dataDir === 'string';
}
