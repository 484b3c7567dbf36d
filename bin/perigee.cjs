#!/usr/bin/env node
// The libuv pool takes its size when it first runs a task, and the ESM loader is already one: so this
// file is CommonJS and sets the size before anything else is loaded (docs/architecture.md §9).
'use strict';
process.env.UV_THREADPOOL_SIZE ??= '8';
// Each piece of a body is a young buffer outside the heap, but V8 weighs it against the limit of the old heap: with the small heap of a
// node that limit starts a full collection every 16 MiB of upload. A heap that may grow to three times its size before stops most of that; more costs memory for little.
require('node:v8').setFlagsFromString('--heap-growing-percent=200');
// The addon bounds what the C library's allocator keeps, which works only before that pool begins.
try {
	// oxlint-disable-next-line import/no-unassigned-import -- it does so when it is loaded
	require('../native/index.js');
} catch {
	// Whoever needs it says so.
}
import('../dist/src/cli/main.js').then(
	(cli) => cli.main(process.argv.slice(2)),
	(error) => {
		if (error?.code === 'ERR_MODULE_NOT_FOUND' && String(error.message).includes('dist/src/cli/main.js')) {
			console.error('perigee: not built yet. Run: npm start (or: npm run build)');
			process.exit(1);
		}
		throw error;
	},
);
