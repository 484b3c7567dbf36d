/** The process of a ViewHost. */
import type { HostOptions, ServeAnswer } from './view-host.js';
import { serve, type ServeRequest } from './view-serving.js';

const { writeBufferBytes } = JSON.parse(process.argv[2] ?? '{}') as HostOptions;
const options = writeBufferBytes === undefined ? {} : { rocks: { writeBufferBytes } };

process.on('message', (request: ServeRequest) => {
	void serve(request, options)
		.then((outcome): ServeAnswer => ({ outcome }))
		.catch(
			(error: unknown): ServeAnswer => ({
				error: error instanceof Error ? (error.stack ?? error.message) : String(error),
			}),
		)
		.then((answer) => process.send?.(answer));
});
