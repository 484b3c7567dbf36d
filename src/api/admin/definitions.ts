/** The endpoints of the admin listener as data, like those of REST (docs/api.md). */
import { Type } from '../../config/json-schema.js';
import { define, json } from '../rest/definitions.js';
import { MINING_STATUS } from '../rest/mining-schema.js';
import { closed } from '../rest/schemas.js';

const time = (description: string) => Type.String({ description: `${description} ISO 8601, UTC.` });

const PASS = {
	startedAt: time('When it began.'),
	segments: Type.Integer({ description: 'Segments checked.' }),
	bytes: Type.Integer({ description: 'Bytes of log files read.' }),
	damaged: Type.Integer({ description: 'Damaged places met, known ones included.' }),
};

export const SCRUB_STATE = Type.Object(
	{
		state: Type.String({
			description: 'idle, running, paused, or waiting: the pass has met an error and goes on by itself.',
		}),
		pass: Type.Optional(
			Type.Object(
				{
					...PASS,
					phase: Type.String({ description: 'view, log, or lost: again to what was found lost.' }),
					percent: Type.Integer({ description: 'Share of the log files that is behind it, 0 to 100.' }),
				},
				closed,
			),
		),
		last: Type.Optional(Type.Object({ ...PASS, endedAt: time('When it ended.') }, closed)),
		nextAt: Type.Optional(time('When the next pass begins by itself; absent when none does.')),
		damagedSegments: Type.Integer({ description: 'Segments known to be damaged.' }),
		damagedStretches: Type.Integer({ description: 'Stretches of log files known to be damaged.' }),
	},
	closed,
);

const DAMAGED = Type.Object(
	{
		id: Type.Integer({ description: 'Rises with time; never given twice.' }),
		kind: Type.String({ description: 'segment of a file, or stretch of a log file.' }),
		reason: Type.String({ description: 'docs/operations.md tells what each one means.' }),
		root: Type.Optional(Type.String({ description: 'Data root of the file.' })),
		segment: Type.Optional(Type.Integer({ description: 'Number of the segment, from 0.' })),
		lane: Type.String(),
		file: Type.Integer({ description: 'Number of the log file.' }),
		from: Type.Integer({ description: 'First byte of the segment, or of the stretch, in the log file.' }),
		to: Type.Optional(Type.Integer({ description: 'End of a stretch.' })),
		givenUp: Type.Optional(Type.Boolean({ description: 'An operator has given the stretch up.' })),
		foundBy: Type.String({ description: 'read, scrub, or open.' }),
		foundAt: time('When.'),
	},
	closed,
);

export const DAMAGE_PAGE = Type.Object(
	{
		errors: Type.Array(DAMAGED, { description: 'In the order of their ids.' }),
		next: Type.Optional(Type.Integer({ description: 'Ask again with after=… for more; absent at the end.' })),
	},
	closed,
);

const scrubAnswer = { 200: json('Where the scrub stands.', SCRUB_STATE) } as const;

const miningAnswer = { 200: json('Mining as it stands.', MINING_STATUS) } as const;

export const ADMIN_ENDPOINTS = {
	scrub: define({
		methods: ['GET', 'HEAD'],
		url: '/v1/admin/scrub',
		scope: 'admin',
		summary: 'Where the scrub stands.',
		answers: scrubAnswer,
	}),
	scrubStart: define({
		methods: ['POST'],
		url: '/v1/admin/scrub/start',
		scope: 'admin',
		summary: 'Begin a pass of the scrub, or go on with one that was paused. Nothing happens while one runs.',
		answers: scrubAnswer,
	}),
	scrubPause: define({
		methods: ['POST'],
		url: '/v1/admin/scrub/pause',
		scope: 'admin',
		summary: 'Stop the scrub where it stands; no pass begins by itself until it is started again.',
		answers: scrubAnswer,
	}),
	mining: define({
		methods: ['GET', 'HEAD'],
		url: '/v1/admin/mining',
		scope: 'admin',
		summary: 'Mining as it stands; the same as /v1/mining.',
		answers: miningAnswer,
	}),
	miningStart: define({
		methods: ['POST'],
		url: '/v1/admin/mining/start',
		scope: 'admin',
		summary: 'Mine again after a stop.',
		answers: miningAnswer,
	}),
	miningStop: define({
		methods: ['POST'],
		url: '/v1/admin/mining/stop',
		scope: 'admin',
		summary: 'Mine no more until it is started again, or the node is. Sealing goes on.',
		answers: miningAnswer,
	}),
	errors: define({
		methods: ['GET', 'HEAD'],
		url: '/v1/admin/errors',
		scope: 'admin',
		summary: 'What is known to be damaged, page by page.',
		query: Type.Object({
			after: Type.Optional(Type.String({ description: 'Only entries with a higher id; 0 when absent.' })),
			limit: Type.Optional(Type.String({ description: 'At most so many entries, 1 to 1,000; 100 when absent.' })),
		}),
		answers: { 200: json('Up to `limit` entries.', DAMAGE_PAGE) },
	}),
} as const;
