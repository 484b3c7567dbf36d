/**
 * One call of each endpoint and what comes back, for the OpenAPI document. A test makes every one of them, against a node that holds the file
 * `hello.txt`, where an example says so a directory with it, and nothing else.
 */
import type { ENDPOINTS } from './definitions.js';
import { gatewayExamples } from './gateway/examples.js';

export interface Example {
	/** Parts of the address. */
	readonly params?: Readonly<Record<string, string>>;
	readonly query?: Readonly<Record<string, string>>;
	readonly headers?: Readonly<Record<string, string>>;
	/** What is sent. */
	readonly body?: string;
	readonly status: number;
	/** The body that comes back: JSON, or text. Absent where it would say nothing. */
	readonly answer?: object | string;
	/** The call is made before the file is there. */
	readonly isFirst?: true;
	/** The call is made after the files were stored as a directory, with `postUpload` and this query. */
	readonly directory?: string;
}

/** The file that the node holds. */
export const EXAMPLE_FILE = { name: 'hello.txt', type: 'text/plain', text: 'Hello, Perigee!\n' } as const;
/** A resumable upload of that file, just begun. */
export const UPLOAD_ID = 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
export const EXAMPLE_ROOT = '0x9e59d4ebdef1ed25fbaa76fabaffc925aeea6b16ac66e066a52e242120042b74';
/** Of the directory `greetings`, which holds that file. */
export const EXAMPLE_DIRECTORY_ROOT = '0xf126a88311f900b563faf05fa3cfd760e1dc4a5aa9517eb0e3c3f7bf773e46ed';

const UPLOADED = {
	root: EXAMPLE_ROOT,
	txSeq: 0,
	size: 16,
	name: 'hello.txt',
	segments: 1,
};
const MINING_OFF = {
	state: 'off',
	reason: 'the configuration does not ask for it: start with --mine',
	sealing: { segments: 0, seals: 0, backlog: 0 },
	totals: {
		nonces: '0',
		qualities: '0',
		reads: '0',
		readFailures: '0',
		hits: 0,
		accepted: 0,
		refused: 0,
		givenUp: 0,
		rewards: '0',
		gasSpent: '0',
	},
	noncesPerSecond: 0,
	cpuPercent: 0,
	threads: 0,
};
const LISTED = {
	files: [
		{
			root: EXAMPLE_ROOT,
			txSeq: 0,
			size: 16,
			name: 'hello.txt',
			type: 'text/plain',
			uploadedAt: '2026-11-22T12:00:00.000Z',
			finalized: true,
			deleted: false,
		},
	],
};
const INFO = {
	root: EXAMPLE_ROOT,
	txSeq: 0,
	size: 16,
	segments: 1,
	segmentsPadded: 1,
	startSector: 1,
	paddedSectors: 1,
	finalized: true,
	deleted: false,
	heldSegments: 1,
	name: 'hello.txt',
	type: 'text/plain',
	uploadedAt: '2026-11-22T12:00:00.000Z',
	submitter: '0x1111111111111111111111111111111111111111',
	tags: '0x',
	nodes: [
		{
			root: EXAMPLE_ROOT,
			height: 0,
		},
	],
};
/** Its bytes with zeros up to a whole sector. */
const PADDED =
	'SGVsbG8sIFBlcmlnZWUhCgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==';

/** The same file has one sector, whose hash is the root: bytes 7 to 13 are proved by the header and the sector (docs/range-proof.md). */
const PROVED = `PGRP${words(1)}${words(16, 0)}${words(7, 0)}${words(14, 0)}Hello, Perigee!\n`;

/** Small numbers as 4 bytes each, little-endian. */
function words(...values: readonly number[]): string {
	return values.map((value) => String.fromCharCode(value, 0, 0, 0)).join('');
}

export const EXAMPLES: Readonly<Record<keyof typeof ENDPOINTS, Example>> = {
	putUpload: {
		params: {
			name: 'hello.txt',
		},
		headers: {
			'content-type': 'text/plain',
		},
		body: 'Hello, Perigee!\n',
		status: 201,
		isFirst: true,
		answer: UPLOADED,
	},
	postUpload: {
		headers: {
			'content-type': 'multipart/form-data; boundary=form',
		},
		body: '--form\r\nContent-Disposition: form-data; name="file"; filename="hello.txt"\r\nContent-Type: text/plain\r\n\r\nHello, Perigee!\n\r\n--form--\r\n',
		status: 201,
		isFirst: true,
		answer: UPLOADED,
	},
	tusOptions: {
		status: 204,
	},
	tusCreate: {
		headers: {
			'tus-resumable': '1.0.0',
			'upload-length': '16',
			'upload-metadata': 'filename aGVsbG8udHh0,filetype dGV4dC9wbGFpbg==',
		},
		status: 201,
	},
	tusHead: {
		params: {
			id: UPLOAD_ID,
		},
		headers: {
			'tus-resumable': '1.0.0',
		},
		status: 200,
	},
	tusPatch: {
		params: {
			id: UPLOAD_ID,
		},
		headers: {
			'tus-resumable': '1.0.0',
			'upload-offset': '0',
			'content-type': 'application/offset+octet-stream',
		},
		body: 'Hello, Perigee!\n',
		status: 204,
	},
	tusRemove: {
		params: {
			id: UPLOAD_ID,
		},
		headers: {
			'tus-resumable': '1.0.0',
		},
		status: 204,
	},
	tusOverride: {
		params: {
			id: UPLOAD_ID,
		},
		headers: {
			'tus-resumable': '1.0.0',
			'x-http-method-override': 'DELETE',
		},
		status: 204,
	},
	listFiles: {
		query: {
			prefix: 'hello',
			order: 'desc',
			limit: '20',
		},
		status: 200,
		answer: LISTED,
	},
	fileContent: {
		params: {
			root: EXAMPLE_ROOT,
		},
		headers: {
			range: 'bytes=7-13',
		},
		status: 206,
		answer: 'Perigee',
	},
	directoryPath: {
		params: {
			root: EXAMPLE_DIRECTORY_ROOT,
			path: 'hello.txt',
		},
		query: {
			meta: '1',
		},
		directory: 'greetings',
		status: 200,
		answer: {
			name: 'hello.txt',
			type: 'file',
			size: 16,
			roots: [EXAMPLE_ROOT],
		},
	},
	deleteFile: {
		params: {
			root: EXAMPLE_ROOT,
		},
		status: 204,
	},
	dropSegments: {
		params: {
			root: EXAMPLE_ROOT,
		},
		query: {
			from: '0',
			to: '1',
		},
		status: 204,
	},
	fileInfo: {
		params: {
			root: EXAMPLE_ROOT,
		},
		status: 200,
		answer: INFO,
	},
	fileSegment: {
		params: {
			root: EXAMPLE_ROOT,
			i: '0',
		},
		query: {
			proof: '1',
		},
		status: 200,
		answer: {
			root: EXAMPLE_ROOT,
			txSeq: 0,
			index: 0,
			size: 16,
			proof: {
				lemma: [EXAMPLE_ROOT],
				path: [],
			},
			data: PADDED,
		},
	},
	listSubmissions: {
		query: {
			limit: '20',
		},
		status: 200,
		answer: LISTED,
	},
	submissionContent: {
		params: {
			txSeq: '0',
		},
		query: {
			proof: 'range',
		},
		headers: {
			range: 'bytes=7-13',
		},
		status: 200,
		answer: PROVED,
	},
	submissionInfo: {
		params: {
			txSeq: '0',
		},
		status: 200,
		answer: INFO,
	},
	submissionSegment: {
		params: {
			txSeq: '0',
			i: '0',
		},
		status: 200,
		answer: 'Hello, Perigee!\n',
	},
	flow: {
		status: 200,
		answer: {
			root: '0xf9615cdbaace4dd20245e2964cf7d07f07e66123e4d921b709127eafd5d7cb6e',
			lengthSectors: 2,
			submissions: 1,
		},
	},
	sectorProof: {
		params: {
			i: '1',
		},
		status: 200,
		answer: {
			sector: 1,
			data: PADDED,
			proof: {
				lemma: [
					EXAMPLE_ROOT,
					'0x0000000000000000000000000000000000000000000000000000000000000000',
					'0xf9615cdbaace4dd20245e2964cf7d07f07e66123e4d921b709127eafd5d7cb6e',
				],
				path: [false],
			},
			flowRoot: '0xf9615cdbaace4dd20245e2964cf7d07f07e66123e4d921b709127eafd5d7cb6e',
			flowLengthSectors: 2,
		},
	},
	...gatewayExamples(EXAMPLE_ROOT, EXAMPLE_DIRECTORY_ROOT),
	openApi: {
		status: 200,
	},
	docsPage: {
		status: 200,
	},
	docsAsset: {
		params: {
			asset: 'swagger-ui.css',
		},
		status: 200,
	},
	greeting: {
		status: 200,
	},
	metrics: {
		status: 200,
	},
	live: {
		status: 200,
		answer: {
			status: 'live',
			version: '0.1.0',
		},
	},
	mining: {
		status: 200,
		answer: MINING_OFF,
	},
	deep: {
		status: 200,
		answer: { ready: true, reasons: [], mining: { state: 'off', reason: MINING_OFF.reason } },
	},
	ready: {
		status: 200,
		answer: {
			ready: true,
			reasons: [],
		},
	},
};
