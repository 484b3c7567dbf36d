/** Log files and volumes that go away and come back; and that the check notices when a rule about them is broken. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AppendLog, type AppendLogOptions } from '../../src/append-log/append-log.js';
import { type FileRanges, numbersOf, rangesOf } from '../../src/append-log/file-ranges.js';
import { LANE_NAMES, type Lane } from '../../src/append-log/types.js';
import { LogManifest } from '../../src/log-layer/log-manifest.js';
import { LogSite } from '../../src/log-layer/log-site.js';
import { FileLedger } from '../../src/log-layer/losses.js';
import { runLossSeed } from './losses.js';

const SEEDS = 30;
const SEEDS_MOST = 200;
/** A broken rule must be noticed within so many. */
const CANARY_SEEDS = 200;

interface LossCanary {
	readonly rule: string;
	/** Breaks the rule; answers what mends it. */
	readonly install: () => () => void;
}

const CANARIES: readonly LossCanary[] = [
	{
		rule: 'a store without its journal is not opened',
		install() {
			const { assertJournal } = LogSite.prototype;
			LogSite.prototype.assertJournal = () => Promise.resolve();
			return () => {
				LogSite.prototype.assertJournal = assertJournal;
			};
		},
	},
	{
		rule: 'a checkpoint says which files its view was built from',
		install() {
			const { save } = FileLedger.prototype;
			// As if it was built from those too that were missing.
			FileLedger.prototype.save = function (this: FileLedger, isRetired) {
				const { files, lost } = save.call(this, isRetired);
				const all: Partial<Record<Lane, FileRanges>> = {};
				for (const lane of LANE_NAMES)
					all[lane] = rangesOf([...numbersOf(files[lane] ?? []), ...numbersOf(lost[lane] ?? [])]);
				return { files: all, lost: {} };
			};
			return () => {
				FileLedger.prototype.save = save;
			};
		},
	},
	{
		rule: 'a log file is in the manifest before anything counts in it',
		install() {
			const { begun } = LogManifest.prototype;
			LogManifest.prototype.begun = () => Promise.resolve();
			return () => {
				LogManifest.prototype.begun = begun;
			};
		},
	},
	{
		rule: 'new files keep a distance to those on a missing volume',
		install() {
			const { open } = AppendLog;
			AppendLog.open = (options: AppendLogOptions) => open.call(AppendLog, { ...options, isIncomplete: () => false });
			return () => {
				AppendLog.open = open;
			};
		},
	},
];

describe('a store of which something is missing at a start', () => {
	it(`serves the rest, forgets nothing, and has everything once it is back, over ${SEEDS} seeds`, async (t) => {
		let notHeld = 0;
		let refusedStarts = 0;
		let newest = 0;
		// On until a file of the journal was among what is missing, which is rare.
		for (let seed = 1; seed <= SEEDS || (refusedStarts === 0 && seed <= SEEDS_MOST); seed++) {
			const outcome = await runLossSeed(seed).catch((error: unknown) => {
				throw new Error(`seed ${seed}`, { cause: error });
			});
			notHeld += outcome.notHeld;
			refusedStarts += outcome.refusedStarts;
			newest += outcome.newest;
		}
		t.diagnostic(`${notHeld} files not held, ${refusedStarts} starts refused, ${newest} files that no checkpoint knew`);
		assert.ok(notHeld > 0 && refusedStarts > 0 && newest > 0);
	});

	for (const { rule, install } of CANARIES) {
		it(`is noticed to break its promise without this rule: ${rule}`, async (t) => {
			const mend = install();
			try {
				for (let seed = 1; seed <= CANARY_SEEDS; seed++) {
					const failure = await runLossSeed(seed).then(
						() => undefined,
						(error: unknown) => (error instanceof Error ? error.message : String(error)),
					);
					if (failure === undefined) continue;
					t.diagnostic(`seed ${seed}: ${failure.slice(0, 160)}`);
					return;
				}
				assert.fail(`${CANARY_SEEDS} seeds pass without this rule`);
			} finally {
				mend();
			}
		});
	}
});
