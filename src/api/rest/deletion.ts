/** DELETE of files and of ranges of their segments. */
import type { ServerResponse } from 'node:http';
import { PerigeeError } from '../../errors.js';
import { ENDPOINTS } from './definitions.js';
import type { Endpoint } from './endpoint.js';
import { rootOf, segmentIndexOf } from './params.js';

export const deleteFile: Endpoint = {
	definition: ENDPOINTS.deleteFile,
	async handle(context, request, response) {
		await context.store.deleteFile(rootOf(request.params['root'] ?? ''));
		context.metrics.deletedFiles.inc();
		sendNothing(response);
	},
};

export const dropSegments: Endpoint = {
	definition: ENDPOINTS.dropSegments,
	async handle(context, request, response) {
		const root = rootOf(request.params['root'] ?? '');
		const from = boundOf(request.query['from'], 'from');
		const to = boundOf(request.query['to'], 'to');
		if (to <= from)
			throw new PerigeeError('BAD_REQUEST', 'from is the first segment to drop, to the first one that stays.');
		await context.store.dropSegments(root, from, to - from);
		context.metrics.droppedSegments.inc(to - from);
		sendNothing(response);
	},
};

function boundOf(value: string | undefined, name: string): number {
	if (value === undefined) throw new PerigeeError('BAD_REQUEST', `${name} is missing: the number of a segment.`);
	return segmentIndexOf(value);
}

function sendNothing(response: ServerResponse): void {
	response.writeHead(204);
	response.end();
}
