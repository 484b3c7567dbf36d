/** A process that serves the REST interface over a MemoryFileStore; prints its URL, ends on SIGTERM. */
import { MemoryFileStore } from './memory-file-store.js';
import { serve } from './rest-server.js';

const { server } = await serve(new MemoryFileStore(), { version: '0.0.0', maxFileBytes: 2 ** 40 });
process.stdout.write(`${server.url}\n`);
process.on('SIGTERM', () => void server.close());
