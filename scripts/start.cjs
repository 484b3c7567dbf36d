// `npm start`: sets the checkout up, then becomes the node, in this same process, so that signals and the pid are its own.
// CommonJS for the reason given in bin/perigee.cjs: the libuv pool takes its size before the first ESM module loads.
'use strict';
process.env.UV_THREADPOOL_SIZE = process.env.UV_THREADPOOL_SIZE || '8';
import('./bootstrap.mjs').then(async ({ bootstrap }) => {
	await bootstrap();
	process.argv.splice(1, 1, require.resolve('../bin/perigee.cjs'), 'start');
	await import('../bin/perigee.cjs');
});
