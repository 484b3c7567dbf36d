/** The endpoints of a 0G gateway as data (spec log-layer §8.3), at the addresses that its users know. */
import { Type } from '../../../config/json-schema.js';
import { define, json } from '../endpoint-definition.js';
import { contentHeaders } from '../request-schemas.js';

/** Every answer but a file. */
const ENVELOPE = Type.Object({
	code: Type.Integer({ description: '0: success. What the others mean stands under "Gateway" in docs/api.md.' }),
	message: Type.String({ description: 'The code in words.' }),
	data: Type.Any({ description: 'What was asked for, or why it is not there; null when there is nothing to say.' }),
});

const cid = Type.String({ description: 'Sequence number of a submission, or a data root with 0x or without.' });

const fileAnswers = {
	206: {
		description: 'The range asked for, Content-Range tells which; of several, multipart/byteranges with one part each.',
		contentType: '*/*',
	},
	304: { description: 'If-None-Match names this content.' },
} as const;

const shared = { methods: ['GET', 'HEAD'], scope: 'read', anyQuery: true } as const;

export const GATEWAY_ENDPOINTS = {
	gatewayFile: define({
		...shared,
		url: '/file',
		summary: 'Gateway: a file to store, by its data root or its submission.',
		query: Type.Object({
			root: Type.Optional(Type.String({ description: 'Data root.' })),
			txSeq: Type.Optional(Type.String({ description: 'Sequence number of the submission; wins over root.' })),
			name: Type.Optional(
				Type.String({ description: 'Name to store it under; else that of its upload, else its data root.' }),
			),
		}),
		headers: contentHeaders,
		answers: {
			200: { description: 'The file, or why it cannot be had.', contentType: '*/*', body: ENVELOPE },
			...fileAnswers,
		},
	}),
	gatewayEntry: define({
		...shared,
		url: '/file/{cid}/{path}',
		summary: 'Gateway: what lies at a path in a directory.',
		params: Type.Object({
			cid,
			path: Type.String({ description: 'Names, each percent-encoded, with "/" between them; empty: the directory.' }),
		}),
		headers: contentHeaders,
		answers: {
			200: {
				description: 'A file to store; of a directory its entries, of a link the link; or why it cannot be had.',
				contentType: '*/*',
				body: ENVELOPE,
			},
			...fileAnswers,
		},
	}),
	gatewayFileInfo: define({
		...shared,
		url: '/file/info/{cid}',
		summary: 'Gateway: what is known about a file.',
		params: Type.Object({ cid }),
		answers: { 200: json('FileInfo, or why it cannot be had.', ENVELOPE) },
	}),
	gatewayFilesInfo: define({
		...shared,
		url: '/files/info',
		summary: 'Gateway: what is known about several files.',
		query: Type.Object({
			cid: Type.Optional(Type.String({ description: 'As above; 1 to 100 times.' })),
		}),
		answers: { 200: json('A list in the order of the question: FileInfo, null when unknown, or a text.', ENVELOPE) },
	}),
	gatewaySegment: define({
		methods: ['POST'],
		scope: 'segments',
		anyQuery: true,
		url: '/file/segment',
		summary: 'Gateway: takes a segment of a submitted file, with its proof.',
		body: {
			description: 'The segment.',
			contentType: 'application/json',
			schema: Type.Object({
				root: Type.Optional(Type.String({ description: 'Data root of the file.' })),
				txSeq: Type.Optional(Type.Integer({ description: 'Sequence number of the submission; wins over root.' })),
				data: Type.String({
					description:
						'Base64: 262,144 bytes; of the last segment whole sectors of 256 bytes up to the end of the file.',
				}),
				index: Type.Integer({ description: 'Number of the segment in the file, from 0.' }),
				proof: Type.Object({
					lemma: Type.Array(Type.String(), {
						description: 'Root of the segment, the hashes beside the way, data root.',
					}),
					path: Type.Array(Type.Boolean(), { description: 'For each step whether the hash so far is the left one.' }),
				}),
				expectedReplica: Type.Optional(
					Type.Integer({ description: '1, as when it is absent: this node is the only one.' }),
				),
			}),
		},
		answers: { 200: json('That it is stored, or why it is not.', ENVELOPE) },
	}),
	gatewayStatus: define({
		...shared,
		url: '/node/status',
		summary: 'Gateway: how far the node follows its settlement, and which flow it is.',
		answers: { 200: json('Status.', ENVELOPE) },
	}),
} as const;
