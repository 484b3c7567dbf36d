/**
 * Rules of the list of damage, the scrub and the healing of a damaged view, each taken out of a copy of the compiled code (mutant-site.ts): the test
 * that guards it must fail there.
 */
import type { Mutant } from './mutant-site.js';

const DAMAGE_LIST = 'unit/log-layer/damage-list.test.js';
const HEALING = 'unit/log-layer/healing.test.js';
const MUSEUM = 'museum/lost-data.test.js';
const SCRUB = 'unit/log-layer/scrub.test.js';

export const DAMAGE_MUTANTS: readonly Mutant[] = [
	{
		rule: 'the list of damage is written down',
		file: 'log-layer/damage-file.js',
		find: 'list.onChange = () => file.#changed();',
		replace: ';',
		test: DAMAGE_LIST,
		guard: 'is known after a restart',
	},
	{
		rule: 'an unreadable list of damage lets nothing pass for checked',
		file: 'log-layer/damage-file.js',
		find: 'overflows: 1 }',
		replace: 'overflows: 0 }',
		test: DAMAGE_LIST,
		guard: 'lets nothing pass for checked',
	},
	{
		rule: 'one failed read is no damage',
		file: 'log-layer/damage.js',
		find: 'if (isAgain || (firstMs !== undefined',
		replace: 'if (true || (firstMs !== undefined',
		test: DAMAGE_LIST,
		guard: 'for a while',
	},
	{
		rule: 'a second failed read some time later is damage',
		file: 'log-layer/damage.js',
		find: '>= LIMITS.suspectMs)',
		replace: '< 0)',
		test: DAMAGE_LIST,
		guard: 'again after a while',
	},
	{
		rule: 'damage that is healed leaves the list',
		file: 'log-layer/file-store.js',
		find: 'this.#parts.damage.forget(replaced.objectId);',
		replace: ';',
		test: DAMAGE_LIST,
		guard: 'is known after a restart',
	},
	{
		rule: 'damage beyond the bound of the list lets nothing pass for checked',
		file: 'log-layer/checked-objects.js',
		find: 'this.#damage.hasOverflowed ||',
		replace: '',
		test: DAMAGE_LIST,
		guard: 'lets nothing pass for checked',
	},
	{
		rule: 'the scrub compares segments with their roots',
		file: 'log-layer/segment-check.js',
		find: "Buffer.from(root).equals(segment.root) ? 'right' : 'root'",
		replace: "'right'",
		test: SCRUB,
		guard: 'finds what no reader could',
	},
	{
		rule: 'the scrub finds what only the view still knows',
		file: 'log-layer/scrub-view.js',
		find: 'if (!(await files.holds({ lane, fileNo }, offset + lengthBytes)))',
		replace: 'if (false)',
		test: SCRUB,
		guard: 'gone or cut',
	},
	{
		rule: 'the scrub looks again at what lies in lost stretches',
		file: 'log-layer/scrub-pass.js',
		find: 'await scrubLost(',
		replace: 'await Promise.resolve(',
		test: SCRUB,
		guard: 'tells a damaged copy from a loss',
	},
	{
		rule: 'damage counts only where the view reads',
		file: 'log-layer/scrub-log.js',
		find: 'if (!place)',
		replace: 'if (false)',
		test: SCRUB,
		guard: 'finds a flipped bit in a large file',
	},
	{
		rule: 'the scrub asks again before a failed read is damage',
		file: 'log-layer/scrub-pass.js',
		find: 'await this.#retry();',
		replace: ';',
		test: SCRUB,
		guard: 'a place for good',
	},
	{
		rule: 'the position of the scrub outlives a restart',
		file: 'log-layer/scrub-state.js',
		find: 'await replaceFile(',
		replace: 'await Promise.resolve(',
		test: SCRUB,
		guard: 'also in another process',
	},
	{
		rule: 'a view found damaged is not trusted again',
		file: 'log-layer/view.js',
		find: 'this.#damage ??= error;',
		replace: ';',
		test: MUSEUM,
		guard: 'found damaged at run time',
	},
	{
		rule: 'nothing is answered from a view that is being rebuilt',
		file: 'log-layer/healing-store.js',
		find: 'if (this.#store && !this.#healing)',
		replace: 'if (this.#store)',
		test: HEALING,
		guard: 'meanwhile callers are told',
	},
	{
		rule: 'a store whose disk failed is not mended in place',
		file: 'log-layer/healing-store.js',
		find: 'if (!isMendable(damaged))',
		replace: 'if (false)',
		test: HEALING,
		guard: 'left alone when the disk has failed',
	},
	{
		rule: 'a rebuild lets running calls end',
		file: 'log-layer/healing-store.js',
		find: 'await this.#quiet();',
		replace: ';',
		test: HEALING,
		guard: 'waits for',
	},
	{
		rule: 'a view that was mended a short while ago is left alone',
		file: 'log-layer/healing-store.js',
		find: 'if (sinceMs < LIMITS.healIntervalMs)',
		replace: 'if (false)',
		test: HEALING,
		guard: 'short while ago',
	},
	{
		rule: 'an upload that a rebuild breaks off is told to come again',
		file: 'log-layer/healing-store.js',
		find: 'return this.#healing.isHealing || this.#healing.current !== this.#store;',
		replace: 'return false;',
		test: HEALING,
		guard: 'breaks off uploads',
	},
];
