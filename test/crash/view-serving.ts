/** Opens directories whose view was changed by other hands, until all is served again. Runs where the process may end: see view-host.ts. */
import { existsSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { deserialize } from 'node:v8';
import { ViewDamagedError } from '../../src/db/kv-engine.js';
import type { Store } from '../../src/log-layer/store.js';
import { SlabRing } from '../../src/native/slab-ring.js';
import { Prng } from '../support/prng.js';
import { SeededRandomness, SimulatedClock } from '../support/simulated-clock.js';
import { dumpView, openTestStore, type TestStoreOptions } from '../support/test-store.js';
import type { Acknowledged } from './oracle.js';
import { inlineHashPool, observerOf, type Told, toldNothing } from './simulated-machine.js';
import { readAll } from './reading.js';
import { firstDifference } from './verify.js';
import { Violation } from './violation.js';

/** Lies in a directory while all its rows are looked at. */
const DUMPING = 'dumping';

/** What became of a change. */
export type ServeOutcome = 'harmless' | 'rebuilt at open' | 'found on read';

export interface ServeRequest {
	/** A file that holds a KnownView, as v8 serializes it. */
	readonly known: string;
	readonly directory: string;
	/** Clients meet the damage before anybody looks at all rows. */
	readonly readsFirst: boolean;
}

/** What the clients of a directory know, and the rows of a view built anew from its log. */
export interface KnownView {
	readonly acknowledged: readonly Acknowledged[];
	/** Absent: rows are not compared. */
	readonly rows?: ReadonlyMap<string, string>;
}

/** A store for which no time passes. */
export function openStill(directory: string, told: Told, options: TestStoreOptions = {}): Promise<Store> {
	const ring = new SlabRing(1);
	return openTestStore(
		directory,
		{ ring, pool: inlineHashPool(ring, new Prng(1)), observer: observerOf(told), randomness: new SeededRandomness(1) },
		{ clock: new SimulatedClock(), ...options },
	);
}

/** Opens the directory until everything is served and its rows are right. Throws a Violation, also when two restarts do not lead there. */
export async function serve(request: ServeRequest, options: TestStoreOptions): Promise<ServeOutcome> {
	const { directory, readsFirst } = request;
	const { acknowledged, rows } = deserialize(await readFile(request.known)) as KnownView;
	let wasFound = await endedWhileDumping(directory);
	for (let start = 1; start <= 3; start++) {
		const told = toldNothing();
		const store = await openStill(directory, told, options);
		const { refused, missing } = await readAll(store, readsFirst || start > 1 ? acknowledged : []);
		await store.settle();
		await store.close();
		if (missing.size > 0) throw new Violation(`${missing.size} files are missing`);
		if (told.damaged.length > 0) throw new Violation(`damage of the log is reported: ${JSON.stringify(told.damaged)}`);
		if (refused.size === 0 && (await hasRightRows(directory, rows, options))) {
			if (wasFound) return 'found on read';
			return told.rebuilt.length > 0 ? 'rebuilt at open' : 'harmless';
		}
		wasFound = true;
	}
	throw new Violation('two restarts do not heal the view');
}

/** The look at all rows, which no node takes, has ended the process: as with any damage that a read meets, the next open rebuilds. */
async function endedWhileDumping(directory: string): Promise<boolean> {
	const hasEnded = existsSync(join(directory, DUMPING));
	if (hasEnded) await forgetCheckpoint(directory);
	return hasEnded;
}

/** False when a row is damaged. Throws a Violation when a row is another one. */
async function hasRightRows(directory: string, rows: KnownView['rows'], options: TestStoreOptions): Promise<boolean> {
	if (!rows) return true;
	await writeFile(join(directory, DUMPING), '');
	try {
		const difference = firstDifference(await dumpView(directory, options), rows);
		if (difference) throw new Violation(`the view differs from a rebuilt one: ${difference}`);
		return true;
	} catch (error) {
		if (!(error instanceof ViewDamagedError)) throw error;
		await forgetCheckpoint(directory);
		return false;
	} finally {
		await rm(join(directory, DUMPING));
	}
}

async function forgetCheckpoint(directory: string): Promise<void> {
	await rm(join(directory, 'view.checkpoint'), { force: true });
}
