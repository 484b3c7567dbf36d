/** All methods of the public listener. */
import type { RpcMethods } from '../method.js';
import { DOWNLOAD_METHODS } from './downloads.js';
import { FILE_METHODS } from './files.js';
import { FLOW_METHODS } from './flow.js';
import { INDEXER_METHODS } from './indexer.js';
import { UPLOAD_METHODS } from './uploads.js';

export const PUBLIC_METHODS: RpcMethods = {
	...FLOW_METHODS,
	...FILE_METHODS,
	...DOWNLOAD_METHODS,
	...UPLOAD_METHODS,
	...INDEXER_METHODS,
};
