/** Rules of resumable uploads, each taken out of a copy of the compiled code (mutant-site.ts): the test that guards it must fail there. */
import type { Mutant } from './mutant-site.js';

const RESUMABLES = 'unit/log-layer/resumables.test.js';
const UPLOADS = 'unit/log-layer/uploads.test.js';
const SEGMENTS = 'unit/api/rpc/uploading.test.js';

export const RESUMABLE_MUTANTS: readonly Mutant[] = [
	{
		rule: 'bytes behind the last whole segment are staged',
		file: 'log-layer/resumable-transfer.js',
		find: 'if (isNew && tail.length > from) {',
		replace: 'if (false) {',
		test: RESUMABLES,
		guard: 'with a restart between two',
	},
	{
		rule: 'what was not confirmed counts no more',
		file: 'log-layer/resumables.js',
		find: '...(options.isChecked ? { limitBytes: stands } : {}),',
		replace: '',
		test: RESUMABLES,
		guard: 'is forgotten when it is wrong, from byte 524293',
	},
	{
		rule: 'staged bytes that were written after a segment count before it',
		file: 'log-layer/resumable-state.js',
		find: '=== segment && one.place.origin > origin',
		replace: '=== segment && false',
		test: RESUMABLES,
		guard: 'is forgotten when it is wrong, from byte 1000',
	},
	{
		rule: 'staged bytes live until their segment is written',
		file: 'log-layer/liveness.js',
		find: 'return stagedQuestion(record);',
		replace: "return { record, objectId: objectOfPart(record), keys: [], fate: () => 'dead' };",
		test: RESUMABLES,
		guard: 'survive compaction',
	},
	{
		rule: 'what is known of an upload outlives compaction',
		file: 'log-layer/liveness.js',
		find: 'return resumableQuestion(record);',
		replace: "return { record, objectId: objectOfPart(record), keys: [], fate: () => 'dead' };",
		test: RESUMABLES,
		guard: 'survive compaction',
	},
	{
		rule: 'an upload that may go on does not expire',
		file: 'log-layer/expiry.js',
		find: 'clock.nowMs() < untilMs ||',
		replace: '',
		test: RESUMABLES,
		guard: 'live on for their time',
	},
	{
		rule: 'an upload whose time is over is given up',
		file: 'log-layer/expiry.js',
		find: 'clock.nowMs() < untilMs ||',
		replace: 'untilMs > 0 ||',
		test: RESUMABLES,
		guard: 'live on for their time',
	},
	{
		rule: 'an upload is found by its whole id alone',
		file: 'log-layer/resumables.js',
		find: '!timingSafeEqual(fact.secret, secret) ||',
		replace: '',
		test: RESUMABLES,
		guard: 'are found by their whole id alone',
	},
	{
		rule: 'content that was deleted or damaged while it came again becomes a newer object',
		file: 'log-layer/content-binding.js',
		find: 'throw new OvertakenError();',
		replace: ';',
		test: UPLOADS,
		guard: 'which is deleted before it ends',
	},
	{
		rule: 'a segment is what its proof is about',
		file: 'log-layer/proved-batch.js',
		find: 'if (refusal)',
		replace: 'if (false)',
		test: SEGMENTS,
		guard: 'other data',
	},
	{
		rule: 'segments of an earlier run count',
		file: 'log-layer/partial-files.js',
		find: 'this.#add(fact, clock.nowMs());',
		replace: ';',
		test: SEGMENTS,
		guard: 'partly before, partly after the submission',
	},
	{
		rule: 'segments of a submitted file stay',
		file: 'log-layer/chunk-pool.js',
		find: 'if (submissions) {',
		replace: 'if (false) {',
		test: SEGMENTS,
		guard: 'are given up in time, those of submitted files never',
	},
];
