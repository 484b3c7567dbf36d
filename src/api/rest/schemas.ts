/** Bodies of REST answers as schemas; every number, root and time in them is written alike. */
import { Type } from '../../config/json-schema.js';

export const closed = { additionalProperties: false } as const;
const hash = (description: string) => Type.String({ pattern: '^0x[0-9a-f]{64}$', description });
const hex = (description: string) => Type.String({ pattern: '^0x([0-9a-f]{2})*$', description });

/** Whole numbers are JSON numbers up to 2^53 - 1 and decimal strings beyond. */
const whole = (description: string) =>
	Type.Union([Type.Integer({ minimum: 0 }), Type.String({ pattern: '^[0-9]+$' })], { description });

/** A submission that a chain does not show yet. */
export const PENDING_SUBMISSION = Type.Object(
	{
		state: Type.Union([Type.Literal('unpaid'), Type.Literal('wanted'), Type.Literal('sent')], {
			description:
				'unpaid: this node does not pay, submit it yourself. wanted: the node will pay for it. sent: it has sent the transaction.',
		}),
		chainId: whole('Id of the chain.'),
		flow: hex('Address of the flow contract, 20 bytes.'),
		submission: Type.Object(
			{
				length: whole('Bytes.'),
				tags: hex('Empty.'),
				nodes: Type.Array(
					Type.Object(
						{ root: hash('Merkle root.'), height: Type.Integer({ description: '2^height sectors.' }) },
						closed,
					),
				),
			},
			{ ...closed, description: 'What submit of the flow contract takes; the submitter is whoever pays.' },
		),
		fee: Type.Optional(Type.String({ description: 'Wei to send with it, decimal; absent where no endpoint tells.' })),
		transaction: Type.Optional(hash('The transaction that was sent last.')),
		trouble: Type.Optional(Type.String({ description: 'What keeps the node from paying just now.' })),
	},
	closed,
);

const SUBMISSION_OF_UPLOAD = {
	txSeq: Type.Optional(
		Type.Integer({
			description: 'Sequence number of the submission that holds the content; absent while it is awaited (202).',
		}),
	),
	pending: Type.Optional(PENDING_SUBMISSION),
};

export const UPLOAD_RESULT = Type.Object(
	{
		root: hash('Data root.'),
		...SUBMISSION_OF_UPLOAD,
		size: Type.Integer({ description: 'Bytes.' }),
		name: Type.String({ description: 'Name of this upload; empty when there was none.' }),
		segments: Type.Integer({ description: 'Segments of 256 KiB that hold bytes of the file.' }),
	},
	closed,
);

/** A directory: its metadata as a file of its own, and what it holds. */
export const DIRECTORY_RESULT = Type.Object(
	{
		...UPLOAD_RESULT.properties,
		files: Type.Array(
			Type.Object(
				{
					path: Type.String({ description: 'Path in the directory.' }),
					size: Type.Integer({ description: 'Bytes.' }),
					root: Type.Optional(hash('Data root; an empty file has none.')),
					...SUBMISSION_OF_UPLOAD,
				},
				closed,
			),
			{ description: 'In the order of the form.' },
		),
	},
	closed,
);

const ENTRY = {
	name: Type.String({ description: 'Empty for the directory itself.' }),
	type: Type.Union([Type.Literal('file'), Type.Literal('directory'), Type.Literal('symbolic')]),
	size: Type.Optional(Type.Integer({ description: 'Bytes of a file.' })),
	roots: Type.Optional(
		Type.Array(hash('Data root.'), { description: 'What a file consists of, in order; nothing when it is empty.' }),
	),
	link: Type.Optional(Type.String({ description: 'Target of a link, which nobody has followed.' })),
};

export const DIRECTORY_ENTRY = Type.Object(
	{
		...ENTRY,
		entries: Type.Optional(
			Type.Array(Type.Object(ENTRY, closed), { description: 'What a directory holds, in the order of its metadata.' }),
		),
	},
	closed,
);

export const UPLOAD_RESULTS = Type.Object({ files: Type.Array(UPLOAD_RESULT) }, closed);

const SUBTREE = Type.Object({ root: hash('Root of the subtree.'), height: Type.Integer() }, closed);

/** What lists and descriptions of a file both tell. */
const FILE = {
	type: Type.String({ description: 'Media type; empty when the upload named none.' }),
	uploadedAt: Type.String({ description: 'Time of the upload, ISO 8601, UTC.' }),
	finalized: Type.Boolean({ description: 'All bytes are held here and none is known to be damaged.' }),
	deleted: Type.Boolean({
		description:
			'The content was deleted here and nobody has sent it again; or it came over the 0G protocol, and the chain pays nothing for it any more.',
	}),
};

export const FILE_INFO = Type.Object(
	{
		root: hash('Data root.'),
		txSeq: Type.Integer(),
		size: Type.Integer({ description: 'Bytes.' }),
		segments: Type.Integer({ description: 'Segments that hold bytes of the file.' }),
		segmentsPadded: Type.Integer({ description: 'Segments of the padded file: the positions of a file proof.' }),
		startSector: whole('First sector in the flow.'),
		paddedSectors: whole('Sectors in the flow.'),
		finalized: FILE.finalized,
		deleted: FILE.deleted,
		heldSegments: Type.Integer(),
		name: Type.String(),
		type: FILE.type,
		uploadedAt: FILE.uploadedAt,
		submitter: hex('Address of the submitter, 20 bytes.'),
		tags: hex('Tags of the submission.'),
		nodes: Type.Array(SUBTREE, { description: 'Subtrees of the submission, in order.' }),
	},
	closed,
);

export const LISTED_FILE = Type.Object(
	{
		root: hash('Data root.'),
		txSeq: Type.Integer({ description: 'Sequence number of the submission; of a file, of its first one.' }),
		size: Type.Integer({ description: 'Bytes.' }),
		name: Type.String(),
		type: FILE.type,
		uploadedAt: FILE.uploadedAt,
		finalized: FILE.finalized,
		deleted: FILE.deleted,
	},
	closed,
);

export const FILE_LIST = Type.Object(
	{
		files: Type.Array(LISTED_FILE, { description: 'May be empty before the end, when few fit the filter.' }),
		next: Type.Optional(Type.String({ description: 'Cursor of the next list; absent at the end.' })),
	},
	closed,
);

export const MERKLE_PROOF = Type.Object(
	{
		lemma: Type.Array(hash('')),
		path: Type.Array(Type.Boolean(), { description: 'From the bottom; true: the running node is the left child.' }),
	},
	closed,
);

export const SEGMENT_WITH_PROOF = Type.Object(
	{
		root: hash('Data root.'),
		txSeq: Type.Integer(),
		index: Type.Integer(),
		size: Type.Integer({ description: 'Bytes of the whole file.' }),
		data: Type.String({
			description: 'Base64 of the segment; the last one zero-padded to whole sectors of 256 bytes.',
		}),
		proof: MERKLE_PROOF,
	},
	closed,
);

export const FLOW_STATE = Type.Object(
	{
		root: hash('Flow root.'),
		lengthSectors: whole('Length of the flow in sectors.'),
		submissions: Type.Integer(),
	},
	closed,
);

export const SECTOR_WITH_PROOF = Type.Object(
	{
		sector: whole('Position in the flow.'),
		data: Type.String({ description: 'Base64 of the sector: 256 bytes, or 32 for sector 0, which is an opaque leaf.' }),
		proof: MERKLE_PROOF,
		flowRoot: hash('Flow root that the proof leads to.'),
		flowLengthSectors: whole('Length of the flow that this root commits to.'),
	},
	closed,
);

export const LIVENESS = Type.Object({ status: Type.Literal('live'), version: Type.String() }, closed);

export const READINESS = Type.Object(
	{
		ready: Type.Boolean(),
		reasons: Type.Array(Type.Object({ code: Type.String(), message: Type.String(), ready: Type.Boolean() }, closed), {
			description: 'Everything an operator should know; `ready` false marks what keeps the node from uploads.',
		}),
	},
	closed,
);

/** RFC 9457. `files` names what a form with several files stored before it failed. */
export const PROBLEM = Type.Object(
	{
		type: Type.String(),
		title: Type.String(),
		status: Type.Integer(),
		detail: Type.String(),
		code: Type.String(),
		hint: Type.String(),
		retryable: Type.Boolean(),
		instance: Type.String({ description: 'Request id, also in the log of the node.' }),
		files: Type.Optional(Type.Array(UPLOAD_RESULT)),
	},
	closed,
);
