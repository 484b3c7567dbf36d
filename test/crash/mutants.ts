/**
 * Rules of the log, of its recovery and of the view that no wrapper around the store can switch off: each is taken out of a copy of the
 * compiled code (mutant-site.ts), and the test that guards it must fail there. Others stand in upkeep-mutants.ts and damage-mutants.ts.
 */
import type { Mutant } from './mutant-site.js';

const RECOVERY = 'unit/append-log/recovery.test.js';
const FLIPS = 'crash/flips.test.js';
const MUSEUM = 'museum/lost-data.test.js';
const LOSSES = 'unit/log-layer/losses.test.js';

export const LOG_MUTANTS: readonly Mutant[] = [
	{
		rule: 'no byte of a file leaves the node before the checksum of its block was compared',
		file: 'log-layer/object-reader.js',
		find: 'if (checkBlocksBytes(',
		replace: 'if (false && checkBlocksBytes(',
		test: FLIPS,
		guard: 'finds every flip',
	},
	{
		rule: 'a row of the view is compared with its checksum at every read',
		file: 'db/row-checksum.js',
		find: 'if (crc32c(row.subarray(0, end)) >>> 0 !== stored.readUInt32LE(valueBytes))',
		replace: 'if (false)',
		test: 'unit/db/rocks.test.js',
		guard: 'a row that turns up under the key of another one',
	},
	{
		rule: 'a damaged block of the journal is read from its second copy',
		file: 'append-log/file-scan.js',
		find: 'if (record.mirrorOffset === undefined)',
		replace: 'if (true)',
		test: RECOVERY,
		guard: 'heals a flipped bit of a payload',
	},
	{
		rule: 'a group whose header is damaged is read by its trailer',
		file: 'append-log/file-scan.js',
		find: 'if (claim?.trailerAt !== at',
		replace: 'if (true || claim?.trailerAt !== at',
		test: FLIPS,
		guard: 'finds every flip',
	},
	{
		rule: 'a group counts only in the incarnation of its file',
		file: 'append-log/format.js',
		find: 'if (!bytes.subarray(48, 64).equals(identity.incarnation))',
		replace: 'if (false)',
		test: RECOVERY,
		guard: 'never pass',
	},
	{
		rule: 'what a later group confirms is damage when it cannot be read, never doubt',
		file: 'append-log/file-scan.js',
		find: 'confirmed = Math.max(confirmed, scanned.group.confirmed);',
		replace: ';',
		test: RECOVERY,
		guard: 'that a later one confirms',
	},
	{
		rule: 'the journal takes no group behind one that is in doubt',
		file: 'append-log/file-scan.js',
		find: 'else if (broken || invalid.length > 0) {',
		replace: 'else if (invalid.length > 0) {',
		test: RECOVERY,
		guard: 'takes no group behind one that is in doubt',
	},
	{
		rule: 'no sequence number is given twice',
		file: 'append-log/append-log.js',
		find: 'shared.nextLsn += options.isIncomplete === true ? INCOMPLETE_LSN_MARGIN : LSN_MARGIN;',
		replace: ';',
		test: RECOVERY,
		guard: 'gives no sequence number twice',
	},
	{
		rule: 'what is read behind a confirmed end is written again before it is used',
		file: 'append-log/replay.js',
		find: 'if (part.length > 0 && (await file.writev([part], at)) < part.length)',
		replace: 'if (false)',
		test: MUSEUM,
		guard: 'acknowledged uploads, built on',
	},
	{
		rule: 'no checkpoint passes a verdict that is not stated',
		file: 'log-layer/store.js',
		find: 'await this.log.stateVerdicts();',
		replace: ';',
		test: MUSEUM,
		guard: 'the verdict on a torn group',
	},
	{
		rule: 'a file that a lane has gone on without is taken whole when it returns',
		file: 'log-layer/losses.js',
		find: 'return begun !== undefined && begun <',
		replace: 'return false && begun <',
		test: MUSEUM,
		guard: 'the end of a log file that was away',
	},
	{
		rule: 'a root remembers that all of it was dropped, so that no older deletion counts again',
		file: 'log-layer/apply-payload.js',
		find: 'isDeleted || cause === DELETED_BECAUSE.dropped',
		replace: 'isDeleted',
		test: MUSEUM,
		guard: 'that a file is not deleted',
	},
	{
		rule: 'a log file that was given up is no part of the log should it return',
		file: 'append-log/log-files.js',
		find: 'if (isGivenUp(found.lane, found.fileNo)) {',
		replace: 'if (false) {',
		test: LOSSES,
		guard: 'count as missing no longer',
	},
	{
		rule: 'a volume that was given up is refused should it return',
		file: 'log-layer/volumes.js',
		find: 'if (this.#identity.givenUp.volumes.includes(volume))',
		replace: 'if (false)',
		test: LOSSES,
		guard: 'refused when it returns',
	},
	{
		rule: 'a repeated upload trusts what is held only after it was read',
		file: 'log-layer/file-store.js',
		find: "const wasHeld = state === 'intact';",
		replace: 'const wasHeld = row?.object !== undefined;',
		test: MUSEUM,
		guard: 'one flipped bit, sent again',
	},
	{
		rule: 'the names of log files are durable before a new file names them',
		file: 'append-log/append-log.js',
		find: 'await options.io.syncDir(directory);',
		replace: ';',
		test: RECOVERY,
		guard: 'misses no file whose name a crash took away',
	},
	{
		rule: 'a file is never shorter than what the view holds of it',
		file: 'log-layer/losses.js',
		find: 'if (from !== undefined && from < end)',
		replace: 'if (false)',
		test: 'unit/log-layer/damage.test.js',
		guard: 'is known from the next start on',
	},
	{
		rule: 'a directory of a later format is refused before it is touched',
		file: 'log-layer/format-guard.js',
		find: 'assertKnownFormat(path, header.version);',
		replace: ';',
		test: 'e2e/upgrade.test.js',
		guard: 'in a small file',
	},
];
