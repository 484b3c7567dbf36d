/** The endpoints that take files, as data: at once, as a form, or in several requests (tus 1.0). */
import { Type } from '../../config/json-schema.js';
import { define, json } from './endpoint-definition.js';
import { tusChecksum, tusParams, tusVersion, uploadHeaders, waitQuery } from './request-schemas.js';
import { DIRECTORY_RESULT, UPLOAD_RESULT, UPLOAD_RESULTS } from './schemas.js';

const formResult = Type.Union([UPLOAD_RESULT, UPLOAD_RESULTS, DIRECTORY_RESULT]);

export const UPLOAD_ENDPOINTS = {
	putUpload: define({
		methods: ['PUT'],
		url: '/v1/upload/{name}',
		scope: 'write',
		summary: 'Store the body as a file. The name may be empty.',
		params: Type.Object({
			name: Type.String({ description: 'File name, percent-encoded UTF-8, at most 1,024 bytes.' }),
		}),
		query: Type.Object(waitQuery),
		headers: uploadHeaders,
		body: {
			description: 'The bytes of the file; any media type, which is kept.',
			contentType: 'application/octet-stream',
		},
		answers: {
			200: json('The content was here already; no new submission was made.', UPLOAD_RESULT),
			201: json('Stored, durable and submitted. Location names the file.', UPLOAD_RESULT),
			202: json('Stored and durable; a file once the chain shows the submission in `pending`.', UPLOAD_RESULT),
		},
	}),
	postUpload: define({
		methods: ['POST'],
		url: '/v1/upload',
		scope: 'write',
		summary: 'Store the files of a multipart form; fields that are not files are ignored.',
		query: Type.Object({
			directory: Type.Optional(
				Type.String({
					description: 'Name, may be empty: the files make a directory, and their file names are paths in it.',
				}),
			),
			...waitQuery,
		}),
		headers: uploadHeaders,
		body: {
			description: 'A form; each part with a file name is a file.',
			contentType: 'multipart/form-data',
			schema: Type.Object({ file: Type.String({ format: 'binary' }) }),
		},
		answers: {
			200: json('All content was here already. One file: the object itself.', formResult),
			201: json(
				'Stored. One file: the object itself; several: `files`; a directory: both, the object being its metadata.',
				formResult,
			),
			202: json('The same; files once the chain shows the submissions in `pending`.', formResult),
		},
	}),
	tusOptions: define({
		methods: ['OPTIONS'],
		url: '/v1/tus/',
		scope: 'open',
		summary: 'What is spoken here of tus 1.0, the protocol of resumable uploads: versions, extensions, limits.',
		answers: { 204: { description: 'As headers: Tus-Version, Tus-Extension, Tus-Max-Size, Tus-Checksum-Algorithm.' } },
	}),
	tusCreate: define({
		methods: ['POST'],
		url: '/v1/tus/',
		scope: 'write',
		summary: 'Begin a resumable upload, perhaps with its first bytes.',
		headers: Type.Object({
			...tusVersion,
			'upload-length': Type.Optional(Type.String({ description: 'Bytes of the file.' })),
			'upload-defer-length': Type.Optional(Type.String({ description: '1: the length comes with a later PATCH.' })),
			'upload-metadata': Type.Optional(
				Type.String({
					description:
						'Keys with values in base64: filename, filetype, root (the data root that the content must have). Others are kept.',
				}),
			),
			...tusChecksum,
		}),
		answers: { 201: { description: 'Location is its address. It is durable.' } },
	}),
	tusHead: define({
		methods: ['HEAD'],
		url: '/v1/tus/{id}',
		scope: 'write',
		summary:
			'How far a resumable upload has come. Who is just sending bytes of it is interrupted, so that the answer stays true.',
		params: tusParams,
		headers: Type.Object(tusVersion),
		answers: {
			200: {
				description:
					'Upload-Offset, Upload-Length or Upload-Defer-Length, Upload-Metadata, Upload-Expires; of one that is complete Perigee-Root and Perigee-Tx-Seq, or Perigee-Pending ({}) while a chain does not show its submission.',
			},
		},
	}),
	tusPatch: define({
		methods: ['PATCH'],
		url: '/v1/tus/{id}',
		scope: 'write',
		summary: 'Go on with a resumable upload. With its last byte it becomes a file.',
		params: tusParams,
		headers: Type.Object({
			...tusVersion,
			'upload-offset': Type.String({ description: 'Where the bytes belong: what HEAD has answered.' }),
			'upload-length': Type.Optional(Type.String({ description: 'Bytes of the file, if that was not said before.' })),
			'perigee-expected-root': Type.Optional(
				Type.String({
					description:
						'The data root that the whole content must have, if that was not said before: with the last bytes at the latest. Content with another one is 422, and the upload is ended before anything of it can be seen.',
				}),
			),
			...tusChecksum,
		}),
		body: { description: 'The next bytes, as many as you like.', contentType: 'application/offset+octet-stream' },
		answers: {
			204: {
				description:
					'All of it is durable. Upload-Offset, Upload-Expires; with the last byte Perigee-Root and Perigee-Tx-Seq or, where a chain does not show the submission in 30 seconds, Perigee-Pending (JSON, as `pending` of an upload).',
			},
		},
	}),
	tusRemove: define({
		methods: ['DELETE'],
		url: '/v1/tus/{id}',
		scope: 'write',
		summary: 'End a resumable upload and delete what came of it.',
		params: tusParams,
		headers: Type.Object(tusVersion),
		answers: { 204: { description: 'Ended, durably.' } },
	}),
	tusOverride: define({
		methods: ['POST'],
		url: '/v1/tus/{id}',
		scope: 'write',
		summary: 'The same as PATCH or DELETE, for clients that can send neither.',
		params: tusParams,
		headers: Type.Object({
			...tusVersion,
			'x-http-method-override': Type.String({ description: 'PATCH or DELETE.' }),
		}),
		answers: { 204: { description: 'As there.' } },
	}),
} as const;
