/** What `perigee rebuild` tells of the store that it has built anew. */
import type { Store } from '../log-layer/store.js';

export interface RebuildSummary {
	readonly records: number;
	readonly submissions: number;
	readonly damagedRanges: number;
	/** Log files and volumes that were not there. */
	readonly missingFiles: number;
	readonly missingVolumes: number;
	/** What was missing or could not be read is given up. */
	readonly givenUp: boolean;
	readonly seconds: number;
}

export function rebuildSummary(store: Store, records: number, givenUp: boolean, startMs: number): RebuildSummary {
	const { files, volumes } = store.losses;
	return {
		records,
		submissions: store.files.flow().submissions,
		damagedRanges: store.log.damage.length,
		missingFiles: files.length,
		missingVolumes: volumes.length,
		givenUp,
		seconds: (performance.now() - startMs) / 1000,
	};
}
