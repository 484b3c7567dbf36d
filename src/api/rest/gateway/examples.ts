/** One call of each endpoint of the gateway and what comes back, for the OpenAPI document. */
import type { Example } from '../examples.js';
import type { GATEWAY_ENDPOINTS } from './definitions.js';

/** `root`: of the file `hello.txt`; `directoryRoot`: of the directory `greetings` with it. */
export function gatewayExamples(
	root: string,
	directoryRoot: string,
): Readonly<Record<keyof typeof GATEWAY_ENDPOINTS, Example>> {
	const info = {
		tx: { streamIds: [], data: '', dataMerkleRoot: root, startEntryIndex: 1, size: 16, seq: 0 },
		finalized: true,
		isCached: false,
		uploadedSegNum: 1,
		pruned: false,
		isHeldWhole: true,
	};
	return {
		gatewayFile: { query: { root, name: 'greeting.txt' }, status: 200, answer: 'Hello, Perigee!\n' },
		gatewayEntry: {
			params: { cid: directoryRoot, path: '' },
			directory: 'greetings',
			status: 200,
			answer: { code: 0, message: 'Success', data: [{ name: 'hello.txt', type: 'file', size: 16 }] },
		},
		gatewayFileInfo: { params: { cid: '0' }, status: 200, answer: { code: 0, message: 'Success', data: info } },
		gatewayFilesInfo: { query: { cid: '0' }, status: 200, answer: { code: 0, message: 'Success', data: [info] } },
		gatewaySegment: {
			headers: { 'content-type': 'application/json' },
			body: JSON.stringify({
				root,
				data: btoa('Hello, Perigee!\n'.padEnd(256, '\0')),
				index: 0,
				proof: { lemma: [root], path: [] },
			}),
			status: 200,
			answer: { code: 0, message: 'Success', data: 'Succeeded to upload segment' },
		},
		gatewayStatus: { status: 200 },
	};
}
