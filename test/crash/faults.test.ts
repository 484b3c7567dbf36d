/** Full disks and failing calls. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FAULT_KINDS, FAULTS_OF_A_KIND, FREQUENT_KINDS } from './rows.js';
import { runDiskFull, runNthFault } from './faults.js';

const FULL_SEEDS = 40;
const FIRST_FAULTS = 12;

describe('a store on a disk', () => {
	it(`that fills up answers DISK_FULL, serves reads, and takes uploads again once there is room, over ${FULL_SEEDS} sizes`, async (t) => {
		let acknowledged = 0;
		for (let seed = 1; seed <= FULL_SEEDS; seed++) {
			const outcome = await runDiskFull(seed).catch((error: unknown) => {
				throw new Error(`seed ${seed}`, { cause: error });
			});
			acknowledged += outcome.acknowledged;
		}
		t.diagnostic(`${FULL_SEEDS} disks, ${acknowledged} acknowledged uploads`);
	});

	for (const kind of FAULT_KINDS) {
		it(`whose nth ${kind} fails loses nothing, whatever n`, async (t) => {
			let faults = 0;
			const most = FREQUENT_KINDS.has(kind) ? FAULTS_OF_A_KIND : FIRST_FAULTS;
			for (let nth = 1; nth <= most; nth++) {
				const happened = await runNthFault(kind, nth, nth).catch((error: unknown) => {
					throw new Error(`${kind} ${nth}`, { cause: error });
				});
				if (happened) faults++;
			}
			t.diagnostic(`${faults} faults`);
			assert.ok(faults > 0);
		});
	}
});
