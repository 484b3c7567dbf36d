/** Lists of files and of submissions: /v1/files and /v1/submissions. */
import type { Static } from 'typebox';
import { PerigeeError } from '../../errors.js';
import { LIMITS } from '../../limits.js';
import type { ListOptions, StoredFile } from '../../log-layer/types.js';
import type { TxSeq } from '../../units.js';
import { ENDPOINTS } from './definitions.js';
import type { FILE_LIST, LISTED_FILE } from './schemas.js';
import type { Endpoint, RestRequest } from './endpoint.js';
import { NO_STORE, sendJson } from './json.js';
import { countOf, txSeqOf } from './params.js';

const DEFAULT_LIMIT = 100;
const CURSOR = /^(asc|desc)-([0-9]+)$/;

export const listOfFiles: Endpoint = listEndpoint('files', ENDPOINTS.listFiles);

export const listOfSubmissions: Endpoint = listEndpoint('submissions', ENDPOINTS.listSubmissions);

function listEndpoint(what: ListOptions['what'], definition: Endpoint['definition']): Endpoint {
	return {
		definition,
		async handle(context, request, response) {
			const options = optionsOf(what, request);
			const { files, next } = await context.store.list(options);
			const order = options.newestFirst ? 'desc' : 'asc';
			const body: Static<typeof FILE_LIST> = {
				files: files.map(listedFile),
				...(next === undefined ? {} : { next: `${order}-${next}` }),
			};
			sendJson(response, 200, body, NO_STORE);
		},
	};
}

/** Errors: BAD_REQUEST. */
function optionsOf(what: ListOptions['what'], { query }: RestRequest): ListOptions {
	const order = oneOf(query, 'order', ['asc', 'desc']) ?? 'asc';
	const { limit, cursor, prefix } = query;
	const most = limit === undefined ? DEFAULT_LIMIT : countOf(limit, 'limit', LIMITS.listEntries);
	const from = cursorOf(cursor, order);
	const [finalized, deleted] = [flagOf(query, 'finalized'), flagOf(query, 'deleted')];
	return {
		what,
		newestFirst: order === 'desc',
		most,
		namePrefix: prefix ?? '',
		...(from === undefined ? {} : { from }),
		...(finalized === undefined ? {} : { finalized }),
		...(deleted === undefined ? {} : { deleted }),
	};
}

function cursorOf(text: string | undefined, order: string): TxSeq | undefined {
	if (text === undefined) return undefined;
	const [, written, number = ''] = CURSOR.exec(text) ?? [];
	if (written !== order) refuse('cursor is what `next` of the answer before said, in the same order.');
	return txSeqOf(number);
}

function flagOf(query: RestRequest['query'], name: string): boolean | undefined {
	const value = oneOf(query, name, ['true', 'false']);
	return value === undefined ? undefined : value === 'true';
}

function oneOf(query: RestRequest['query'], name: string, values: readonly string[]): string | undefined {
	const value = query[name];
	if (value !== undefined && !values.includes(value)) refuse(`${name} is ${values.join(' or ')}.`);
	return value;
}

function refuse(detail: string): never {
	throw new PerigeeError('BAD_REQUEST', detail);
}

function listedFile(file: StoredFile): Static<typeof LISTED_FILE> {
	return {
		root: file.root,
		txSeq: file.txSeq,
		size: file.sizeBytes,
		name: file.name,
		type: file.contentType,
		uploadedAt: new Date(file.uploadedAtMs).toISOString(),
		finalized: file.finalized,
		deleted: file.deleted,
	};
}
