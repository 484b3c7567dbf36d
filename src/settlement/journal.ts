/**
 * The one writer of the lane `journal`, and the way of its records back to the drivers and the view.
 *
 * Promises: an entry and the uploads and settings handed in with it become durable together or not at all. Live records and replayed
 * ones take the same way (`consume`), in the order of the lane. `saveState` never runs ahead of what the sink has taken.
 * A crash may lose what was not yet answered.
 */
import type { Lane, LanePosition, LogRecord, RecordInput, WriteTicket } from '../append-log/types.js';
import { PerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import type { FlowId, Lsn } from '../units.js';
import { ByteReader, ByteWriter } from '../bytes.js';
import {
	decodeDeletion,
	decodeLedgerEntry,
	decodeSetting,
	decodeUpload,
	type DeletionRecord,
	encodeDeletion,
	encodeLedgerEntry,
	encodeSetting,
	encodeUpload,
	JOURNAL_RECORDS,
	type LedgerEntryRecord,
	packGroup,
	type SettingRecord,
	type UploadRecord,
} from './journal-records.js';
import type { SettlementEvent } from './settlement.js';

/** What the view takes, in order. One record may give several items; they share its lsn. */
export type JournalItem =
	| { readonly lsn: Lsn; readonly event: SettlementEvent }
	| { readonly lsn: Lsn; readonly upload: UploadRecord }
	| { readonly lsn: Lsn; readonly deletion: DeletionRecord };

/** Takes items; `end` is the lane's position behind them. One call at a time. A rejection stops the journal for good. */
export type JournalSink = (items: readonly JournalItem[], end: LanePosition) => Promise<void>;

/** The journal's side of a driver. */
export interface JournalDriver {
	readonly flowId: FlowId;
	/** The next entry of this flow, live or replayed, is durable: answers what it means. Errors: FORMAT_UNKNOWN. */
	take(entry: Uint8Array): readonly SettlementEvent[];
	/** The view has all events answered so far. */
	confirm(): void;
	/** State as of the last `confirm`. */
	saveState(): Uint8Array;
	/** Goes back to a saved state, before a replay from there. Errors: FORMAT_UNKNOWN. */
	restoreState(saved: Uint8Array): void;
}

/** What goes into the journal as one. */
export interface JournalAppend {
	readonly entry: LedgerEntryRecord;
	readonly uploads?: readonly UploadRecord[];
	readonly settings?: readonly SettingRecord[];
}

export interface JournalOptions {
	/** Writes records as one group, urgently. */
	readonly write: (records: readonly RecordInput[]) => WriteTicket;
	readonly sink: JournalSink;
}

const STATE_VERSION = 1;

export class Journal {
	readonly #options: JournalOptions;
	readonly #drivers = new Map<FlowId, JournalDriver>();
	/** As the sink has taken them. */
	#settings = new Map<string, Uint8Array>();
	/** Handed to the log and not yet answered, oldest first. */
	readonly #pendingSettings: SettingRecord[] = [];
	#end: LanePosition | undefined;

	constructor(options: JournalOptions) {
		this.#options = options;
	}

	/** Names the driver of a flow. Call it before any replay. */
	register(driver: JournalDriver): void {
		if (this.#drivers.has(driver.flowId)) throw new Error(`flow ${driver.flowId} has a driver already`);
		this.#drivers.set(driver.flowId, driver);
	}

	/**
	 * Writes a ledger entry with what belongs to it. Resolves when it is durable and the sink has taken it.
	 * Errors: DISK_FULL, READ_ONLY, OVERLOADED, SHUTTING_DOWN; nothing of it was then written.
	 */
	append({ entry, uploads = [], settings = [] }: JournalAppend): Promise<void> {
		const count = 1 + uploads.length + settings.length;
		if (count > LIMITS.groupRecords) throw new Error(`${count} records in one group: at most ${LIMITS.groupRecords}`);
		return this.#write(
			[encodeLedgerEntry(entry), ...uploads.map(encodeUpload), ...settings.map(encodeSetting)],
			settings,
		);
	}

	/**
	 * Records a further upload of content that is already submitted, or one whose submission is to come, with the settings that belong to it.
	 * Errors as of `append`, and BAD_NAME.
	 */
	async recordUpload(upload: UploadRecord, settings: readonly SettingRecord[] = []): Promise<void> {
		await this.#write([encodeUpload(upload), ...settings.map(encodeSetting)], settings);
	}

	/** Records that an operator ended what is held of a root. Errors as of `append`. */
	async recordDeletion(deletion: DeletionRecord): Promise<void> {
		await this.#write([encodeDeletion(deletion)], []);
	}

	/**
	 * Sets keys together; an empty value deletes. After an error a key has its old value or the new one: a journal file that was begun
	 * in between repeats the new one. Errors as of `append`, and BAD_REQUEST when the settings would outgrow LIMITS.
	 */
	async putSettings(settings: readonly SettingRecord[]): Promise<void> {
		if (settings.length === 0) return;
		if (settings.length > LIMITS.groupRecords) throw new PerigeeError('BAD_REQUEST', 'too many settings at once');
		await this.#write(settings.map(encodeSetting), settings);
	}

	/** Last value of a key that is durable and applied. */
	setting(key: string): Uint8Array | undefined {
		return this.#settings.get(key);
	}

	/** All settings that are durable and applied. */
	settings(): ReadonlyMap<string, Uint8Array> {
		return this.#settings;
	}

	/** What stands at the head of each new journal file: all settings, those on their way included, as they may lie in an older file. */
	headRecords(): readonly RecordInput[] {
		return packGroup([...this.#latestSettings()].map(([key, value]) => encodeSetting({ key, value })));
	}

	/**
	 * Takes durable records of the lane in order; one call at a time.
	 * Errors: those of the sink, and FORMAT_UNKNOWN for records that this version does not know or that do not fit together.
	 */
	readonly consume = async (_lane: Lane, records: readonly LogRecord[], end: LanePosition): Promise<void> => {
		const items: JournalItem[] = [];
		const settings: SettingRecord[] = [];
		const drivers = new Set<JournalDriver>();
		for (const record of records) {
			const { lsn } = record;
			const body = record.ext.length > 0 ? record.ext : (record.payload ?? NO_BYTES);
			switch (record.type) {
				case JOURNAL_RECORDS.ledgerEntry: {
					const { flowId, entry } = decodeLedgerEntry(body);
					const driver = this.#driverOf(flowId);
					drivers.add(driver);
					for (const event of driver.take(entry)) items.push({ lsn, event });
					break;
				}
				case JOURNAL_RECORDS.upload:
					items.push({ lsn, upload: decodeUpload(body) });
					break;
				case JOURNAL_RECORDS.deletion:
					items.push({ lsn, deletion: decodeDeletion(body) });
					break;
				case JOURNAL_RECORDS.setting:
					settings.push(decodeSetting(body));
					break;
				default:
					throw new PerigeeError(
						'FORMAT_UNKNOWN',
						`The journal holds a record of type ${record.type}, which this version does not know`,
					);
			}
		}
		await this.#options.sink(items, end);
		// From here to the end nothing waits: whoever saves the state sees all of this step or nothing of it.
		for (const driver of drivers) driver.confirm();
		for (const { key, value } of settings) applySetting(this.#settings, key, value.slice());
		this.#end = end;
	};

	/**
	 * For the checkpoint: settings and drivers' states as of `end`, the position behind the last records that the sink has taken
	 * (undefined: nothing was taken since the journal was made or restored without one).
	 */
	saveState(): { readonly end: LanePosition | undefined; readonly state: Uint8Array } {
		const writer = new ByteWriter(4096).u8(STATE_VERSION).u16(this.#settings.size);
		for (const [key, value] of this.#settings) {
			const body = encodeSetting({ key, value }).payload;
			writer.u32(body.length).raw(body);
		}
		writer.u16(this.#drivers.size);
		for (const driver of this.#drivers.values()) {
			const state = driver.saveState();
			writer.u32(driver.flowId).u32(state.length).raw(state);
		}
		return { end: this.#end, state: writer.toBytes() };
	}

	/** Goes back to a saved state; the replay then begins at `end`. Errors: FORMAT_UNKNOWN. */
	restoreState({ end, state }: { readonly end: LanePosition | undefined; readonly state: Uint8Array }): void {
		const reader = new ByteReader(state, 'the saved state of the journal');
		const version = reader.u8('version');
		if (version !== STATE_VERSION) reader.fail(`its version is ${version}, this program knows ${STATE_VERSION}`);
		const settings = new Map<string, Uint8Array>();
		for (let left = reader.u16('setting count'); left > 0; left--) {
			const { key, value } = decodeSetting(reader.bytes(reader.u32('setting length'), 'setting'));
			settings.set(key, value.slice());
		}
		const saved: [JournalDriver, Uint8Array][] = [];
		for (let left = reader.u16('flow count'); left > 0; left--) {
			const driver = this.#driverOf(reader.u32('flow id') as FlowId);
			saved.push([driver, reader.bytes(reader.u32('state length'), 'state')]);
		}
		reader.end();
		for (const [driver, bytes] of saved) driver.restoreState(bytes);
		this.#settings = settings;
		this.#end = end;
	}

	/** `settings` are those among the records. */
	async #write(records: Parameters<typeof packGroup>[0], settings: readonly SettingRecord[]): Promise<void> {
		this.#pendingSettings.push(...settings);
		try {
			if (settings.length > 0) checkBounds(this.#latestSettings());
			await this.#options.write(packGroup(records)).applied;
		} finally {
			for (const setting of settings) this.#pendingSettings.splice(this.#pendingSettings.indexOf(setting), 1);
		}
	}

	#latestSettings(): ReadonlyMap<string, Uint8Array> {
		const latest = new Map(this.#settings);
		for (const { key, value } of this.#pendingSettings) applySetting(latest, key, value);
		return latest;
	}

	#driverOf(flowId: FlowId): JournalDriver {
		const driver = this.#drivers.get(flowId);
		if (!driver)
			throw new PerigeeError(
				'FORMAT_UNKNOWN',
				`The journal holds entries of flow ${flowId}, which has no settlement here`,
			);
		return driver;
	}
}

const NO_BYTES = new Uint8Array(0);

function applySetting(settings: Map<string, Uint8Array>, key: string, value: Uint8Array): void {
	if (value.length === 0) settings.delete(key);
	else settings.set(key, value);
}

function checkBounds(settings: ReadonlyMap<string, Uint8Array>): void {
	let bytes = 0;
	for (const [key, value] of settings) bytes += key.length + value.length;
	if (settings.size <= LIMITS.settings && bytes <= LIMITS.settingsBytes) return;
	throw new PerigeeError(
		'BAD_REQUEST',
		`${settings.size} settings of ${bytes} bytes: at most ${LIMITS.settings} of ${LIMITS.settingsBytes}`,
	);
}
