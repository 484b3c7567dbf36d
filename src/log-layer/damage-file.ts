/** Keeps the list of damage over restarts: the file `damage.list` (docs/format.md §1), written anew a moment after each change. */
import type { Clock } from '../io/clock.js';
import type { StorageIo } from '../io/storage-io.js';
import { LIMITS } from '../limits.js';
import { readFileIfThere, replaceFile, STORE_FORMAT } from './checkpoint.js';
import type { DamageList, SavedDamage } from './damage.js';
import { openSealedJson, sealJson } from './sealed-json.js';

const NAME = 'damage.list';

export interface DamageFileParts {
	readonly io: StorageIo;
	readonly clock: Clock;
	readonly dataDir: string;
	/** Hexadecimal. */
	readonly storeId: string;
	/** The file could not be written; it is tried again with the next change and at the close. */
	readonly failed: (error: unknown) => void;
}

export class DamageFile {
	readonly #parts: DamageFileParts;
	readonly #list: DamageList;
	#isDirty = false;
	#saving: Promise<void> | undefined;
	#cancelWait: (() => void) | undefined;

	private constructor(parts: DamageFileParts, list: DamageList) {
		this.#parts = parts;
		this.#list = list;
	}

	/** Fills the list with what the last run knew, and follows its changes from here on. */
	static async follow(parts: DamageFileParts, list: DamageList): Promise<DamageFile> {
		const file = new DamageFile(parts, list);
		list.restore(await savedDamage(parts));
		list.onChange = () => file.#changed();
		return file;
	}

	/** Writes what is not written yet. */
	async close(): Promise<void> {
		this.#list.onChange = () => undefined;
		this.#cancelWait?.();
		await this.#saving;
		if (this.#isDirty) await this.#save();
	}

	#changed(): void {
		this.#isDirty = true;
		if (this.#saving || this.#cancelWait) return;
		this.#saving = this.#save().finally(() => {
			this.#saving = undefined;
			this.#cancelWait = this.#parts.clock.schedule(LIMITS.damageSaveMs, () => {
				this.#cancelWait = undefined;
				if (this.#isDirty) this.#changed();
			});
		});
	}

	async #save(): Promise<void> {
		const { io, dataDir, storeId, failed } = this.#parts;
		this.#isDirty = false;
		try {
			await replaceFile(io, dataDir, NAME, sealJson({ format: STORE_FORMAT, storeId, ...this.#list.save() }));
		} catch (error) {
			this.#isDirty = true;
			failed(error);
		}
	}
}

const NOTHING: SavedDamage = { nextId: 1, overflows: 0, settledOverflows: 0, entries: [] };

/** What the last run knew. When that cannot be told any more, nothing is taken for right until every segment was read again. */
async function savedDamage({ io, dataDir, storeId, failed }: DamageFileParts): Promise<SavedDamage> {
	try {
		const bytes = await readFileIfThere(io, `${dataDir}/${NAME}`, LIMITS.damageFileBytes);
		if (!bytes) return NOTHING;
		const saved = openSealedJson(bytes) as (SavedDamage & { format: number; storeId: string }) | undefined;
		if (saved?.format === STORE_FORMAT && saved.storeId === storeId) return saved;
	} catch (error) {
		failed(error);
	}
	return { ...NOTHING, overflows: 1 };
}
