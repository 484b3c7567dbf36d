/** What is known about files, the flow and its sectors, as JSON. */
import type { Static } from 'typebox';
import type { StoredFile } from '../../log-layer/types.js';
import { hexOf } from '../../units.js';
import { fileOfRoot, fileOfSeq } from './content.js';
import { ENDPOINTS } from './definitions.js';
import type { FILE_INFO, FLOW_STATE, SECTOR_WITH_PROOF } from './schemas.js';
import type { Endpoint } from './endpoint.js';
import { NO_STORE, sendJson } from './json.js';
import { jsonWhole, sectorOf, txSeqOf } from './params.js';
import { proofBodyOf } from './segments.js';

export const fileInfo: Endpoint = {
	definition: ENDPOINTS.fileInfo,
	async handle(context, request, response) {
		sendJson(response, 200, infoBodyOf(await fileOfRoot(context, request)), NO_STORE);
	},
};

export const submissionInfo: Endpoint = {
	definition: ENDPOINTS.submissionInfo,
	async handle(context, request, response) {
		sendJson(response, 200, infoBodyOf(await fileOfSeq(context, request)), NO_STORE);
	},
};

export const flow: Endpoint = {
	definition: ENDPOINTS.flow,
	async handle(context, _request, response) {
		const state = context.store.flow();
		const body: Static<typeof FLOW_STATE> = {
			root: hexOf(state.root),
			lengthSectors: jsonWhole(state.lengthSectors),
			submissions: state.submissions,
		};
		sendJson(response, 200, body, NO_STORE);
	},
};

export const sectorProof: Endpoint = {
	definition: ENDPOINTS.sectorProof,
	async handle(context, request, response) {
		const sector = sectorOf(request.params['i'] ?? '');
		const { at } = request.query;
		const proof = await context.store.sectorProof(sector, at === undefined ? undefined : txSeqOf(at));
		const body: Static<typeof SECTOR_WITH_PROOF> = {
			sector: jsonWhole(proof.sector),
			data: Buffer.from(proof.data.buffer, proof.data.byteOffset, proof.data.byteLength).toString('base64'),
			proof: proofBodyOf(proof),
			flowRoot: hexOf(proof.flowRoot),
			flowLengthSectors: jsonWhole(proof.flowLengthSectors),
		};
		sendJson(response, 200, body, NO_STORE);
	},
};

function infoBodyOf(file: StoredFile): Static<typeof FILE_INFO> {
	return {
		root: file.root,
		txSeq: file.txSeq,
		size: file.sizeBytes,
		segments: file.segments,
		segmentsPadded: file.segmentsPadded,
		startSector: jsonWhole(file.startSector),
		paddedSectors: jsonWhole(file.paddedSectors),
		finalized: file.finalized,
		deleted: file.deleted,
		heldSegments: file.heldSegments,
		name: file.name,
		type: file.contentType,
		uploadedAt: new Date(file.uploadedAtMs).toISOString(),
		submitter: file.submitter,
		tags: hexOf(file.tags),
		nodes: file.nodes.map((node) => ({ root: hexOf(node.root), height: node.height })),
	};
}
