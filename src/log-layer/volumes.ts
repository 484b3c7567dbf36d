/**
 * The volumes of a store: the data directory itself (volume 0) and further data directories, one for each disk (docs/format.md §1). Each has an
 * identity of its own, so that a foreign, swapped or unmounted disk is recognised before anything is written to it.
 *
 * Promises: a directory that held a volume and now holds nothing counts as missing, never as new. A crash on the way leaves a volume that
 * the next open takes into use.
 */
import { dirname } from 'node:path';
import type { Checksums, LogVolume } from '../append-log/types.js';
import { PerigeeError } from '../errors.js';
import type { StorageIo } from '../io/storage-io.js';
import { LIMITS } from '../limits.js';
import { readFileIfThere, replaceFile, STORE_FORMAT } from './checkpoint.js';
import { sealJson } from './sealed-json.js';
import {
	assertKnownFormat,
	headerOfLog,
	IDENTITY_NAME,
	NO_STORE,
	parseNamedStore,
	readIdentityOrNone,
	writeIdentity,
	type KnownVolume,
	type StoreIdentity,
} from './store-identity.js';

const NAME = 'volume.json';
const MAX_BYTES = 64 * 1024;
/** What a directory answers in which nothing of ours can have been made: it may not be read, or not be written. */
const UNTOUCHABLE: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS']);

export interface MissingVolume extends KnownVolume {
	readonly reason: string;
}

export interface Volumes {
	/** Those that are there; the first is volume 0. */
	readonly present: readonly LogVolume[];
	readonly missing: readonly MissingVolume[];
}

export interface VolumeOptions {
	readonly io: StorageIo;
	readonly checksums: Checksums;
	readonly dataDir: string;
	/** Further data directories. */
	readonly dataDirs: readonly string[];
}

/** The directory of a volume's log files. */
export function logDirectory(dataDir: string): string {
	return `${dataDir}/log`;
}

/**
 * Makes a data directory, if it is missing, with a name that survives a crash. One that is there may have been made by a process that was
 * killed before its name was durable: the name is synced in any case, where the directory above may be read.
 */
export async function makeDataDir(io: StorageIo, dataDir: string): Promise<void> {
	const isThere = (await io.stat(dataDir)) !== undefined;
	if (!isThere) await io.makeDir(dataDir);
	await io.syncDir(dirname(dataDir)).catch((error: unknown) => {
		if (!isThere || !UNTOUCHABLE.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
	});
}

/** Refuses a data directory that is a further volume of some store: its journal lies elsewhere. Errors: VOLUME_CONFLICT. */
export async function assertFirstVolume(io: StorageIo, dataDir: string): Promise<void> {
	const fields = await readVolumeIdentity(io, dataDir);
	if (!fields) return;
	throw new PerigeeError(
		'VOLUME_CONFLICT',
		`${dataDir} is volume ${String(fields['volume'])} of store ${hexOf(fields.storeId)}; name that store's first data directory as dataDir, and this one in storage.dataDirs`,
	);
}

/**
 * Refuses a first data directory that holds no store while another one holds a volume: its disk is not mounted, and a new store would be begun in
 * the empty mount point. Errors: VOLUME_CONFLICT.
 */
export async function assertNotUnmounted({ io, checksums, dataDir, dataDirs }: VolumeOptions): Promise<void> {
	if (await io.stat(`${dataDir}/${IDENTITY_NAME}`)) return;
	if ((await io.stat(logDirectory(dataDir))) && (await headerOfLog(io, checksums, logDirectory(dataDir)))) return;
	for (const other of dataDirs) {
		const fields = await readVolumeIdentity(io, other).catch(() => undefined);
		if (!fields) continue;
		throw new PerigeeError(
			'VOLUME_CONFLICT',
			`${dataDir} holds no store, and ${other} is volume ${String(fields['volume'])} of store ${hexOf(fields.storeId)}: is the first disk mounted?`,
		);
	}
}

/**
 * Finds the store's volumes in their directories, and takes new directories into use.
 * Errors: VOLUME_CONFLICT when a directory belongs to another store or holds the same volume as another one; FORMAT_UNKNOWN.
 */
export async function openVolumes(options: VolumeOptions, identity: StoreIdentity): Promise<Volumes> {
	const opening = new VolumeOpening(options, identity);
	for (const dataDir of options.dataDirs) await opening.find(dataDir);
	for (const dataDir of opening.unused) await opening.takeIntoUse(dataDir, opening.nextNumber());
	await opening.writeDown();
	return opening.result();
}

/**
 * Refuses further data directories that could not be opened with the first one; nothing in them changes. Answers those that would be taken into use.
 * Errors: VOLUME_CONFLICT, FORMAT_UNKNOWN, and those of StorageIo.
 */
export async function refuseForeignVolumes(options: VolumeOptions): Promise<readonly string[]> {
	const { io, checksums, dataDir } = options;
	const opening = new VolumeOpening(options, await readIdentityOrNone(io, checksums, dataDir), true);
	for (const directory of options.dataDirs) await opening.find(directory);
	return opening.unused;
}

class VolumeOpening {
	/** Directories that hold nothing yet. */
	readonly unused: string[] = [];
	readonly #options: VolumeOptions;
	readonly #identity: StoreIdentity;
	readonly #isDry: boolean;
	readonly #known: ReadonlyMap<number, string>;
	readonly #found = new Map<number, string>();
	readonly #reasons = new Map<number, string>();

	/** `isDry`: it is only looked, and nothing is changed. */
	constructor(options: VolumeOptions, identity: StoreIdentity, isDry = false) {
		this.#options = options;
		this.#isDry = isDry;
		this.#identity = identity;
		this.#known = new Map(identity.volumes.map(({ volume, dataDir }) => [volume, dataDir]));
	}

	/** Looks what a directory holds. */
	async find(dataDir: string): Promise<void> {
		const { io, checksums } = this.#options;
		const known = this.#identity.volumes.find((volume) => volume.dataDir === dataDir)?.volume;
		try {
			const fields = await readVolumeIdentity(io, dataDir);
			if (fields) {
				assertKnownFormat(dataDir, fields.format);
				this.#assertOurs(dataDir, fields.storeId);
				this.#add(Number(fields['volume']), dataDir);
				await this.#ensureLogDirectory(dataDir);
				return;
			}
			if (await io.stat(`${dataDir}/${IDENTITY_NAME}`))
				throw new PerigeeError('VOLUME_CONFLICT', `${dataDir} is the first data directory of a store of its own`);
			const header = await headerOfLog(io, checksums, logDirectory(dataDir));
			if (header) {
				// Its identity was lost, its data was not.
				this.#assertOurs(dataDir, header.storeId);
				await this.takeIntoUse(dataDir, known ?? this.#numberOf(header.volume));
			} else if (known === undefined) this.unused.push(dataDir);
			else this.#reasons.set(known, `${dataDir} is empty; is the disk mounted?`);
		} catch (error) {
			const { code } = error as NodeJS.ErrnoException;
			if (error instanceof PerigeeError || code === undefined) throw error;
			if (known === undefined)
				throw new PerigeeError('VOLUME_CONFLICT', `${dataDir} cannot be used: ${code}`, { cause: error });
			this.#reasons.set(known, `${dataDir} cannot be read: ${code}`);
		}
	}

	/** Gives a directory its identity. */
	async takeIntoUse(dataDir: string, volume: number): Promise<void> {
		const { io } = this.#options;
		this.#add(volume, dataDir);
		if (this.#isDry) return;
		try {
			await makeDataDir(io, dataDir);
			await this.#ensureLogDirectory(dataDir);
			const fields = { format: STORE_FORMAT, storeId: hexOf(this.#identity.storeId), volume };
			await replaceFile(io, dataDir, NAME, sealJson(fields));
		} catch (error) {
			const { code } = error as NodeJS.ErrnoException;
			if (code === undefined) throw error;
			throw new PerigeeError('VOLUME_CONFLICT', `${dataDir} cannot be made a volume: ${code}`, { cause: error });
		}
	}

	/** A number that no volume had. */
	nextNumber(): number {
		return 1 + Math.max(0, ...this.#known.keys(), ...this.#found.keys(), ...this.#identity.givenUp.volumes);
	}

	/** Keeps in store.json which volumes there are, so that one that is gone can be named. */
	async writeDown(): Promise<void> {
		const volumes = [...new Map([...this.#known, ...this.#found])]
			.map(([volume, dataDir]) => ({ volume, dataDir }))
			.sort((a, b) => a.volume - b.volume);
		if (volumes.length > LIMITS.volumes)
			throw new PerigeeError('VOLUME_CONFLICT', `${volumes.length} volumes: at most ${LIMITS.volumes}`);
		if (JSON.stringify(volumes) === JSON.stringify(this.#identity.volumes)) return;
		await writeIdentity(this.#options.io, this.#options.dataDir, { ...this.#identity, volumes });
	}

	result(): Volumes {
		const present = [...this.#found]
			.map(([number, dataDir]) => ({ number, directory: logDirectory(dataDir) }))
			.sort((a, b) => a.number - b.number);
		const missing = [...this.#known]
			.filter(([volume]) => !this.#found.has(volume))
			.map(([volume, dataDir]) => {
				const reason = this.#reasons.get(volume) ?? `no data directory holds it; it was in ${dataDir}`;
				return { volume, dataDir, reason };
			});
		return { present: [{ number: 0, directory: logDirectory(this.#options.dataDir) }, ...present], missing };
	}

	/** A crash may have kept a volume's identity and lost the name of this directory; a killed process may have made it and not synced its name. */
	async #ensureLogDirectory(dataDir: string): Promise<void> {
		const { io } = this.#options;
		if (this.#isDry) return;
		if (!(await io.stat(logDirectory(dataDir)))) await io.makeDir(logDirectory(dataDir));
		await io.syncDir(dataDir);
	}

	/** Of a volume whose identity is lost: what its files say, if no other volume has that number. */
	#numberOf(volume: number): number {
		// One that was given up is refused by its number.
		return volume > 0 && !this.#known.has(volume) && !this.#found.has(volume) ? volume : this.nextNumber();
	}

	#add(volume: number, dataDir: string): void {
		if (this.#identity.givenUp.volumes.includes(volume))
			throw new PerigeeError(
				'VOLUME_CONFLICT',
				`${dataDir} holds volume ${volume}, which was given up: its log files no longer belong to the store. Name an empty directory instead`,
			);
		const other = this.#found.get(volume);
		if (other !== undefined || !Number.isSafeInteger(volume) || volume < 1) {
			const twice = other === undefined ? 'is no number of a volume' : `is in ${other} too`;
			throw new PerigeeError('VOLUME_CONFLICT', `${dataDir} says it is volume ${volume}, which ${twice}`);
		}
		this.#found.set(volume, dataDir);
	}

	#assertOurs(dataDir: string, storeId: Uint8Array): void {
		const ours = hexOf(this.#identity.storeId);
		if (hexOf(storeId) === ours) return;
		const first = this.#options.dataDir;
		const here =
			this.#identity.storeId === NO_STORE ? `there is none in ${first} yet` : `the store in ${first} is ${ours}`;
		throw new PerigeeError('VOLUME_CONFLICT', `${dataDir} belongs to store ${hexOf(storeId)}; ${here}`);
	}
}

/** What a directory's volume.json says; undefined when it has none that can be read. Errors: those of StorageIo. */
async function readVolumeIdentity(io: StorageIo, dataDir: string): Promise<ReturnType<typeof parseNamedStore>> {
	const bytes = await readFileIfThere(io, `${dataDir}/${NAME}`, MAX_BYTES);
	return bytes && parseNamedStore(bytes);
}

function hexOf(bytes: Uint8Array): string {
	return Buffer.from(bytes).toString('hex');
}
