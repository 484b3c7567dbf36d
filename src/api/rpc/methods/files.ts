/** What is known of files. */
import { fileInfoOf, fileOfRoot, fileOfSeq } from '../file-info.js';
import type { RpcMethods } from '../method.js';

export const FILE_METHODS: RpcMethods = {
	async zgs_getFileInfo({ store }, params) {
		const root = params.root('data_root');
		// Whether one is wanted whose data can be sent again: submissions of a root share their data here, so they all can or none.
		params.bool('need_available');
		return fileInfoOf(store, await fileOfRoot(store, root));
	},

	async zgs_getFileInfoByTxSeq({ store }, params) {
		return fileInfoOf(store, await fileOfSeq(store, params.u64('tx_seq')));
	},

	async zgs_checkFileFinalized({ store }, params) {
		const which = params.seqOrRoot('tx_seq_or_root');
		const file = await (typeof which === 'bigint' ? fileOfSeq(store, which) : fileOfRoot(store, which));
		return file?.isShardHeld ?? null;
	},
};
