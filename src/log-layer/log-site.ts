/**
 * What an open of the store finds before it replays anything: which store this is, its volumes, its log files, and what the last checkpoint
 * knew of them. Nothing of the log is changed here.
 */
import { numbersOf } from '../append-log/file-ranges.js';
import { missingInChain } from '../append-log/lane-chain.js';
import { LogFiles } from '../append-log/log-files.js';
import { LANE_NAMES, type Checksums, type LanePosition } from '../append-log/types.js';
import { PerigeeError } from '../errors.js';
import type { Clock } from '../io/clock.js';
import type { Randomness } from '../io/randomness.js';
import type { StorageIo } from '../io/storage-io.js';
import { LIMITS } from '../limits.js';
import { readCheckpoint } from './checkpoint.js';
import { isGivenUp, type GivenUp } from './given-up.js';
import { LogManifest, MANIFEST_NAME } from './log-manifest.js';
import type { KnownFiles } from './losses.js';
import { IDENTITY_NAME, openIdentity, type StoreIdentity } from './store-identity.js';
import { logDirectory, openVolumes, type Volumes } from './volumes.js';

export interface LogSiteOptions {
	readonly io: StorageIo;
	readonly clock: Clock;
	readonly randomness: Randomness;
	readonly checksums: Checksums;
	readonly dataDir: string;
	readonly dataDirs: readonly string[];
}

export class LogSite {
	/** 16 bytes. */
	readonly storeId: Uint8Array;
	readonly volumes: Volumes;
	/** Log files that the last checkpoint knew, also when its view is no longer trusted. */
	readonly known: KnownFiles | undefined;
	/** Log files that were ever begun. */
	readonly manifest: LogManifest;
	/** Files about the store that are missing beside log files, or cannot be read. They are made anew. */
	readonly lostNotes: readonly string[];
	readonly givenUp: GivenUp;
	readonly #options: LogSiteOptions;

	private constructor(
		options: LogSiteOptions,
		{ storeId, givenUp, wasLost }: StoreIdentity,
		volumes: Volumes,
		known: KnownFiles | undefined,
		manifest: LogManifest,
	) {
		this.#options = options;
		this.storeId = storeId;
		this.givenUp = givenUp;
		this.volumes = volumes;
		this.known = known;
		this.manifest = manifest;
		this.lostNotes = [...(wasLost ? [IDENTITY_NAME] : []), ...(manifest.wasLost ? [MANIFEST_NAME] : [])];
	}

	/** Errors: VOLUME_CONFLICT, FORMAT_UNKNOWN, and those of StorageIo. */
	static async find(options: LogSiteOptions): Promise<LogSite> {
		const { io, clock, randomness, checksums, dataDir } = options;
		await io.makeDir(logDirectory(dataDir));
		await io.syncDir(dataDir);
		const identity = await openIdentity(io, clock, randomness, checksums, dataDir);
		const volumes = await openVolumes(options, identity);
		const checkpoint = await readCheckpoint(io, dataDir);
		const storeId = Buffer.from(identity.storeId).toString('hex');
		const known = checkpoint?.storeId === storeId ? checkpoint.known : undefined;
		const manifest = await LogManifest.open({ io, dataDir, storeId });
		manifest.addKnown(known);
		return new LogSite(options, identity, volumes, known, manifest);
	}

	/** The log files as they lie now. Errors: VOLUME_CONFLICT. */
	async openFiles(): Promise<LogFiles> {
		const files = await LogFiles.open(this.#options.io, this.volumes.present, LIMITS.openLogFiles, (lane, fileNo) =>
			isGivenUp(this.givenUp, lane, fileNo),
		);
		this.manifest.addPresent(files);
		return files;
	}

	/**
	 * Refuses to go on when a file of the journal is missing that a replay from `from` needs (undefined: from the first one): the order of all
	 * submissions lies there, and a ledger that began anew would forget them. Errors: JOURNAL_MISSING.
	 */
	async assertJournal(files: LogFiles, from: LanePosition | undefined): Promise<void> {
		const { io, checksums, dataDir } = this.#options;
		const numbers = files.numbers('journal');
		const hasPayload = LANE_NAMES.some((lane) => lane !== 'journal' && files.numbers(lane).length > 0);
		let missing: string | undefined;
		if (from && !files.has('journal', from.fileNo)) missing = `journal file ${from.fileNo} is missing`;
		else {
			// The last file is named by no other one, but the manifest knows it.
			const begun = [...numbersOf(this.manifest.files.journal ?? [])];
			const fileNo =
				begun.find((number) => number >= (from?.fileNo ?? 0) && !files.has('journal', number)) ??
				(await missingInChain(io, checksums, files, 'journal', from?.fileNo ?? 0));
			if (fileNo !== undefined) missing = `journal file ${fileNo} is missing`;
			else if (numbers.length === 0 && hasPayload) missing = 'there are log files, but none of the journal';
		}
		if (missing === undefined) return;
		throw new PerigeeError(
			'JOURNAL_MISSING',
			`${missing} in ${logDirectory(dataDir)}. The order of all submissions lies in the journal, so the store is not opened without it, and nothing was changed; put the file back. If the directory is a copy that was taken while the node ran, remove view.checkpoint and log.manifest`,
		);
	}
}
