/** A slice of the positions at which a real file system fills up; `npm run reliability -- --only full-file-system` tries them all. */
import { describe, it } from 'node:test';
import { runFullDisk, smallDiskRefusal } from './full-disk.js';

/** Without and with a restart while full, after a kill and after a stop; with a reserve and without. */
const POSITIONS = [2, 33, 67];

const refusal = await smallDiskRefusal();

describe('the real process on a full file system', { skip: refusal ?? false }, () => {
	for (const position of POSITIONS) {
		it(`refuses uploads, serves reads, starts, and uses room that comes back (position ${position})`, async (t) => {
			t.diagnostic(JSON.stringify(await runFullDisk(position)));
		});
	}
});
