/**
 * Every REST endpoint as data: method, address, schemas, meaning. No code of the node stands here, so that the client, the
 * documentation and the tests read the same values (docs/api.md).
 */
import { DEEP_HEALTH, MINING_STATUS } from './mining-schema.js';
import { Type } from '../../config/json-schema.js';
import { define, json } from './endpoint-definition.js';
import { GATEWAY_ENDPOINTS } from './gateway/definitions.js';
import { contentHeaders, listQuery } from './request-schemas.js';
import {
	DIRECTORY_ENTRY,
	FILE_INFO,
	FILE_LIST,
	SEGMENT_WITH_PROOF,
	FLOW_STATE,
	SECTOR_WITH_PROOF,
	LIVENESS,
	READINESS,
} from './schemas.js';
import { UPLOAD_ENDPOINTS } from './upload-definitions.js';

export type { AnswerDefinition, EndpointDefinition, HttpMethod } from './endpoint-definition.js';
export { define, json };

const rootParams = Type.Object({
	root: Type.String({ description: 'Data root: 0x and 64 hexadecimal digits, of either case.' }),
});
const seqParams = Type.Object({ txSeq: Type.String({ description: 'Sequence number of the submission, from 0.' }) });
const segmentPart = { i: Type.String({ description: 'Number of the segment, from 0.' }) };

const contentQuery = Type.Object({
	verify: Type.Optional(
		Type.String({
			description: 'merkle: each segment is hashed again and led up to the data root before any of it is sent; slower.',
		}),
	),
	proof: Type.Optional(
		Type.String({
			description:
				'range: the answer is the range asked for, or the whole file, together with what proves it (docs/range-proof.md).',
		}),
	),
});

const contentAnswers = {
	200: {
		description:
			'The whole file, with the type and name of its upload; with proof=range one range and its proof, as application/vnd.perigee.range-proof.',
		contentType: '*/*',
	},
	206: {
		description: 'The range asked for, Content-Range tells which; of several, multipart/byteranges with one part each.',
		contentType: '*/*',
	},
	304: { description: 'If-None-Match names this content.' },
} as const;

const segmentQuery = Type.Object({
	proof: Type.Optional(Type.String({ description: '1 asks for JSON with the proof; 0 or absent for the bytes.' })),
});

const segmentAnswers = {
	200: {
		description: 'The bytes of the segment, or with proof=1 JSON with the padded segment and its proof.',
		contentType: 'application/octet-stream',
		body: SEGMENT_WITH_PROOF,
	},
	304: { description: 'If-None-Match names this segment.' },
} as const;

export const ENDPOINTS = {
	...UPLOAD_ENDPOINTS,
	listFiles: define({
		methods: ['GET', 'HEAD'],
		url: '/v1/files',
		scope: 'read',
		summary: 'The files that are known here, each once, in the order of their first submissions.',
		query: listQuery,
		answers: { 200: json('Some of them, and where to go on.', FILE_LIST) },
	}),
	fileContent: define({
		methods: ['GET', 'HEAD'],
		url: '/v1/files/{root}',
		scope: 'read',
		summary: 'The bytes of a file by its data root, with the name and type of its newest upload.',
		params: rootParams,
		query: Type.Object({
			...contentQuery.properties,
			archive: Type.Optional(
				Type.String({ description: 'tar: the file, or everything in the directory that it stands for, as one tar.' }),
			),
			links: Type.Optional(
				Type.String({
					description:
						'Of an archive: skip or keep links that lead out of the directory; absent: they are refused (UNSAFE_LINK).',
				}),
			),
		}),
		headers: contentHeaders,
		answers: contentAnswers,
	}),
	directoryPath: define({
		methods: ['GET', 'HEAD'],
		url: '/v1/files/{root}/path/{path}',
		scope: 'read',
		summary: 'What lies at a path in a directory: a file with its bytes, a directory or a link as JSON.',
		params: Type.Object({
			...rootParams.properties,
			path: Type.String({ description: 'Names, each percent-encoded, with "/" between them; empty: the directory.' }),
		}),
		query: Type.Object({
			...contentQuery.properties,
			meta: Type.Optional(Type.String({ description: '1: of a file too its entry as JSON, not its bytes.' })),
		}),
		headers: contentHeaders,
		answers: {
			...contentAnswers,
			200: {
				description:
					'The bytes of a file under its name in the directory; else the entry, of a directory with what it holds.',
				contentType: '*/*',
				body: DIRECTORY_ENTRY,
			},
		},
	}),
	deleteFile: define({
		methods: ['DELETE'],
		url: '/v1/files/{root}',
		scope: 'write',
		summary: 'Delete the content of a file here; what is known about it, its submissions and names stay.',
		params: rootParams,
		answers: { 204: { description: 'Deleted, durably; also when it was deleted before.' } },
	}),
	dropSegments: define({
		methods: ['DELETE'],
		url: '/v1/files/{root}/segments',
		scope: 'write',
		summary: 'Drop a range of segments of a file here; the others stay readable and provable.',
		params: rootParams,
		query: Type.Object({
			from: Type.String({ description: 'Number of the first segment to drop, from 0.' }),
			to: Type.String({ description: 'Number of the first segment behind it that stays.' }),
		}),
		answers: { 204: { description: 'Dropped, durably.' } },
	}),
	fileInfo: define({
		methods: ['GET', 'HEAD'],
		url: '/v1/files/{root}/info',
		scope: 'read',
		summary: 'What is known about a file.',
		params: rootParams,
		answers: { 200: json('The file and its first submission.', FILE_INFO) },
	}),
	fileSegment: define({
		methods: ['GET', 'HEAD'],
		url: '/v1/files/{root}/segments/{i}',
		scope: 'read',
		summary: 'One segment of 256 KiB, if asked for with a proof that leads to the data root.',
		params: Type.Object({ ...rootParams.properties, ...segmentPart }),
		query: segmentQuery,
		answers: segmentAnswers,
	}),
	listSubmissions: define({
		methods: ['GET', 'HEAD'],
		url: '/v1/submissions',
		scope: 'read',
		summary: 'The submissions in their order, each with the name and type of the upload that made it.',
		query: listQuery,
		answers: { 200: json('Some of them, and where to go on.', FILE_LIST) },
	}),
	submissionContent: define({
		methods: ['GET', 'HEAD'],
		url: '/v1/submissions/{txSeq}',
		scope: 'read',
		summary: 'The bytes of a submission, with the name and type of the upload that made it.',
		params: seqParams,
		query: contentQuery,
		headers: contentHeaders,
		answers: contentAnswers,
	}),
	submissionInfo: define({
		methods: ['GET', 'HEAD'],
		url: '/v1/submissions/{txSeq}/info',
		scope: 'read',
		summary: 'What is known about a submission.',
		params: seqParams,
		answers: { 200: json('The submission.', FILE_INFO) },
	}),
	submissionSegment: define({
		methods: ['GET', 'HEAD'],
		url: '/v1/submissions/{txSeq}/segments/{i}',
		scope: 'read',
		summary: 'One segment of a submission, if asked for with its proof.',
		params: Type.Object({ ...seqParams.properties, ...segmentPart }),
		query: segmentQuery,
		answers: segmentAnswers,
	}),
	flow: define({
		methods: ['GET', 'HEAD'],
		url: '/v1/flow',
		scope: 'read',
		summary: 'Root and length of the flow as it stands.',
		answers: { 200: json('The flow.', FLOW_STATE) },
	}),
	sectorProof: define({
		methods: ['GET', 'HEAD'],
		url: '/v1/sectors/{i}/proof',
		scope: 'read',
		summary: 'One sector of the flow with its proof against the flow root, now or after an earlier submission.',
		params: Type.Object({ i: Type.String({ description: 'Position of the sector in the flow, from 0.' }) }),
		query: Type.Object({
			at: Type.Optional(
				Type.String({ description: 'Sequence number: the flow as it was right after that submission.' }),
			),
		}),
		answers: { 200: json('The sector and its proof.', SECTOR_WITH_PROOF) },
	}),
	...GATEWAY_ENDPOINTS,
	openApi: define({
		methods: ['GET', 'HEAD'],
		url: '/openapi.json',
		scope: 'open',
		summary: 'This interface as an OpenAPI 3.1 document.',
		answers: { 200: { description: 'The document.', contentType: 'application/json' } },
	}),
	docsPage: define({
		methods: ['GET', 'HEAD'],
		url: '/docs',
		scope: 'open',
		summary: 'A page to read the document and to try it out.',
		answers: { 200: { description: 'The page.', contentType: 'text/html' } },
	}),
	docsAsset: define({
		methods: ['GET', 'HEAD'],
		url: '/docs/{asset}',
		scope: 'open',
		summary: 'Style and scripts of that page.',
		params: Type.Object({ asset: Type.String({ description: 'Name of the file.' }) }),
		anyQuery: true,
		answers: { 200: { description: 'The file.', contentType: '*/*' } },
	}),
	mining: define({
		methods: ['GET', 'HEAD'],
		url: '/v1/mining',
		scope: 'read',
		summary: 'Whether this node mines, why it does not, and what it has earned (docs/mining.md).',
		answers: { 200: json('Mining as it stands.', MINING_STATUS) },
	}),
	greeting: define({
		methods: ['GET', 'HEAD'],
		url: '/',
		scope: 'open',
		summary: 'A few lines of text: the version, and a command to try.',
		answers: { 200: { description: 'Text.', contentType: 'text/plain' } },
	}),
	metrics: define({
		methods: ['GET', 'HEAD'],
		url: '/metrics',
		scope: 'open',
		summary: 'Metrics in the text format of Prometheus (docs/metrics.md).',
		answers: { 200: { description: 'All metrics.', contentType: 'text/plain' } },
	}),
	live: define({
		methods: ['GET', 'HEAD'],
		url: '/health/live',
		scope: 'open',
		summary: 'The process answers.',
		answers: { 200: json('It lives.', LIVENESS) },
	}),
	deep: define({
		methods: ['GET', 'HEAD'],
		url: '/health/deep',
		scope: 'open',
		summary: 'How each part of the node is; also where nothing keeps it from uploads.',
		answers: { 200: json('How they are.', DEEP_HEALTH) },
	}),
	ready: define({
		methods: ['GET', 'HEAD'],
		url: '/health/ready',
		scope: 'open',
		summary: 'The node takes uploads, or why it does not.',
		answers: {
			200: json('It takes uploads.', READINESS),
			503: json('It does not.', READINESS),
		},
	}),
} as const;
