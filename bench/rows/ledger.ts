/** The row about the embedded ledger. */
import { benchLedger } from '../ledger-bench.js';
import { median, type Row } from '../row.js';

export const ledgerRow: Row = {
	id: 'ledger',
	title: 'submissions that the embedded ledger executes, 64 to a block',
	async measure({ rounds }) {
		const runs = Array.from({ length: rounds }, () => benchLedger());
		return {
			unit: 'submissions/s',
			ours: median(runs.map((run) => run.submissionsPerSecond)),
			rounds: [],
			details: { 'one to a block, submissions/s': median(runs.map((run) => run.submissionsPerSecondAlone)) },
		};
	},
};
