/** Full disks and failing calls. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FAULT_KINDS, FREQUENT_KINDS } from './rows.js';
import { FAULT_CODES, runDiskFull, runNthFault } from './faults.js';

const FULL_SEEDS = 40;
const FIRST_FAULTS = 12;
/** Of the calls behind the first ones every so many is made to fail, up to the last. */
const FAULT_STEP = 11;
const LAST_FAULT = 200;
const CODE_FAULTS = 6;

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
			const most = FREQUENT_KINDS.has(kind) ? LAST_FAULT : FIRST_FAULTS;
			for (let nth = 1; nth <= most; nth += nth < FIRST_FAULTS ? 1 : FAULT_STEP) {
				const happened = await runNthFault(kind, nth, nth).catch((error: unknown) => {
					throw new Error(`${kind} ${nth}`, { cause: error });
				});
				if (happened) faults++;
			}
			t.diagnostic(`${faults} faults`);
			assert.ok(faults > 0);
		});
	}

	for (const code of FAULT_CODES.slice(1)) {
		it(`that answers ${code} once refuses what it must, serves reads, and has everything at the next start`, async (t) => {
			let faults = 0;
			for (const kind of FAULT_KINDS) {
				for (let nth = 1; nth <= CODE_FAULTS; nth++) {
					const happened = await runNthFault(kind, 2 * nth, 1000 + nth, code).catch((error: unknown) => {
						throw new Error(`${kind} ${2 * nth}`, { cause: error });
					});
					if (happened) faults++;
				}
			}
			t.diagnostic(`${faults} faults`);
			assert.ok(faults > FAULT_KINDS.length);
		});
	}
});
