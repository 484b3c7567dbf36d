/** What a gateway tells of files and of the node. */
import { LIMITS } from '../../../limits.js';
import type { FileStore, StoredFile } from '../../../log-layer/types.js';
import { stateOf } from '../../rpc/file-info.js';
import type { JsonOut } from '../../rpc/json-writer.js';
import { statusOf } from '../../rpc/node-status.js';
import { ENDPOINTS } from '../definitions.js';
import { gatewayEndpoint, Reply } from './envelope.js';
import { cidOf, fileOfCid, invalid } from './lookup.js';
import { queryOf } from './query.js';

export const gatewayFileInfo = gatewayEndpoint(ENDPOINTS.gatewayFileInfo, async ({ store }, request) => {
	const cid = cidOf(request.params['cid'] ?? '');
	if (cid instanceof Reply) return cid;
	const file = await fileOfCid(store, cid);
	return file ? new Reply(0, await infoOf(store, file)) : new Reply(101);
});

export const gatewayFilesInfo = gatewayEndpoint(ENDPOINTS.gatewayFilesInfo, async ({ store }, request) => {
	const texts = queryOf(request).getAll('cid');
	if (texts.length === 0) return invalid('No cid specified');
	if (texts.length > LIMITS.gatewayCids) return invalid(`Too many cid specified, exceeded ${LIMITS.gatewayCids}`);
	const infos: JsonOut[] = [];
	for (const text of texts) infos.push(await entryOf(store, text));
	return new Reply(0, infos);
});

export const gatewayStatus = gatewayEndpoint(
	ENDPOINTS.gatewayStatus,
	async ({ store }) => new Reply(0, statusOf(store)),
);

/** FileInfo, null when the file is unknown, or a text that says what is wrong. */
async function entryOf(store: FileStore, text: string): Promise<JsonOut> {
	const cid = cidOf(text);
	if (cid instanceof Reply) return cid.data;
	const file = await fileOfCid(store, cid);
	return file ? infoOf(store, file) : null;
}

/** As a gateway writes it: without the nodes of the submission, and with `data` as a text. */
async function infoOf(store: FileStore, file: StoredFile): Promise<JsonOut> {
	const { root, startSector, sizeBytes, txSeq } = file;
	return {
		tx: { streamIds: [], data: '', dataMerkleRoot: root, startEntryIndex: startSector, size: sizeBytes, seq: txSeq },
		...(await stateOf(store, file)),
		// Whoever asks a gateway wants the whole file of it.
		finalized: file.finalized,
	};
}
