/** How the state of mining is told (docs/mining.md). Numbers that may pass 2^53 are decimal text. */
import { Type } from '../../config/json-schema.js';
import { closed } from './schemas.js';

const whole = (description: string) => Type.Integer({ description });
const long = (description: string) => Type.String({ description: `${description} Decimal.` });
const time = (description: string) => Type.String({ description: `${description} ISO 8601, UTC.` });

export const MINING_STATUS = Type.Object(
	{
		state: Type.String({ description: 'off, stopped, mining, or why it does not mine; docs/mining.md lists all.' }),
		reason: Type.String({ description: 'The same as a sentence.' }),
		since: Type.Optional(time('Since when it is so.')),
		minerId: Type.Optional(Type.String({ description: 'The miner that is sealed and mined for.' })),
		beneficiary: Type.Optional(Type.String({ description: 'Address that is paid.' })),
		work: Type.Optional(
			Type.Object(
				{
					epoch: whole('Number of the epoch.'),
					contextDigest: Type.String({ description: 'Of its context.' }),
					flowLengthSectors: long('Flow of the epoch, in sectors.'),
					poraTarget: long('Bigger is easier.'),
					startPosition: long('First sector that is mined.'),
					mineLength: long('Sectors that are mined.'),
				},
				{ ...closed, description: 'What is mined now; absent when nothing is.' },
			),
		),
		sealing: Type.Object(
			{
				segments: whole('Flow segments of 256 KiB with a sealed copy that is mined.'),
				seals: whole('Seals of 4,096 bytes in these copies.'),
				backlog: whole('Flow segments that may be sealed and were not looked at yet.'),
				trouble: Type.Optional(Type.String({ description: 'Why sealing does not go on.' })),
			},
			closed,
		),
		totals: Type.Object(
			{
				nonces: long('Nonces tried.'),
				qualities: long('Seals tried.'),
				reads: long('Flow segments read.'),
				readFailures: long('Flow segments that could not be read.'),
				hits: whole('Seals that were good enough for an answer.'),
				accepted: whole('Answers that were accepted.'),
				refused: whole('Answers that were refused.'),
				givenUp: whole('Answers that were not sent, or came too late.'),
				rewards: long('Credited for them, in the smallest unit.'),
				gasSpent: long('Wei spent for them.'),
			},
			{ ...closed, description: 'Since the node was started.' },
		),
		noncesPerSecond: whole('Over about the last ten seconds.'),
		rewardsWaiting: Type.Optional(long('Credited to the beneficiary and not withdrawn, in the smallest unit.')),
		lastRefusal: Type.Optional(
			Type.Object(
				{ reason: Type.String(), at: time('When.') },
				{ ...closed, description: 'The last answer that was not accepted.' },
			),
		),
		cpuPercent: whole('Share of the time that the threads work.'),
		threads: whole('Threads that mine.'),
	},
	closed,
);

export const DEEP_HEALTH = Type.Object(
	{
		ready: Type.Boolean({ description: 'The node takes uploads.' }),
		reasons: Type.Array(Type.Object({ code: Type.String(), message: Type.String(), ready: Type.Boolean() }, closed), {
			description: 'As of /health/ready.',
		}),
		mining: Type.Object(
			{
				state: Type.String({ description: 'As of /v1/mining.' }),
				reason: Type.String(),
				since: Type.Optional(time('Since when it is so.')),
			},
			closed,
		),
	},
	closed,
);
