// `node scripts/run.cjs <file below dist> [arguments]`: sets the checkout up, then runs that file in this process.
// CommonJS for the reason given in bin/perigee.cjs: the libuv pool takes its size before the first ESM module loads.
'use strict';
const { resolve } = require('node:path');
const { pathToFileURL } = require('node:url');

process.env.UV_THREADPOOL_SIZE = process.env.UV_THREADPOOL_SIZE || '8';
const file = process.argv[2];
if (file === undefined) {
	console.error('usage: node scripts/run.cjs <file below dist> [arguments]');
	process.exit(2);
}
import('./bootstrap.mjs').then(async ({ bootstrap }) => {
	await bootstrap();
	const target = resolve(__dirname, '..', 'dist', file);
	process.argv.splice(1, 2, target);
	await import(pathToFileURL(target).href);
});
