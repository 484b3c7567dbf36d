/** The load client: a process of its own that does the jobs it is sent, one at a time. */
import type { Job } from './jobs.js';
import { runJob } from './run-job.js';

process.on('message', (job: Job) => {
	runJob(job).then(
		(result) => process.send?.({ result }),
		(error: unknown) =>
			process.send?.({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
	);
});
process.on('disconnect', () => process.exit(0));
