/** What uploads by segments work with (chunk-pool.ts). */
import type { Shard } from '../config/shard-position.js';
import type { AppendLog } from '../append-log/append-log.js';
import type { Clock } from '../io/clock.js';
import type { Randomness } from '../io/randomness.js';
import type { HashPool } from '../native/hash-pool.js';
import type { SlabRing } from '../native/slab-ring.js';
import type { DataRoot } from '../units.js';
import type { KeptContent } from './content-binding.js';
import type { DamageList } from './damage.js';
import type { DiskSpace } from './disk-space.js';
import type { HeldContent } from './held-content.js';
import type { RootLocks } from './key-locks.js';
import type { Narrowing } from './narrowing.js';
import type { ObjectReader } from './object-reader.js';
import type { OwnSegments } from './own-segments.js';
import type { Unrewarded } from './unrewarded.js';
import type { ReadyContent } from './upload.js';
import type { View } from './view.js';

export interface ChunkPoolParts {
	readonly log: AppendLog;
	readonly view: View;
	readonly ring: SlabRing;
	readonly pool: HashPool;
	readonly disk: DiskSpace;
	readonly damage: DamageList;
	readonly locks: RootLocks;
	readonly clock: Clock;
	readonly randomness: Randomness;
	/** Content that was submitted once is kept for so long when its submission is gone. */
	readonly uploadExpiryMs: number;
	readonly held: HeldContent;
	readonly reader: ObjectReader;
	/** Whether so many bytes may come now. Errors: as of FileStore.beginUpload. */
	readonly admit: (bytes: number) => void;
	/** False while part of the log cannot be read: then nothing is given up, for the lost record may be the submission, or the end of the upload. */
	readonly isComplete: () => boolean;
	/** A submission of content that came another way is waited for. */
	readonly isAwaited: (root: DataRoot) => boolean;
	/** As ContentBinding.keep. */
	readonly keep: (content: ReadyContent) => Promise<KeptContent>;
	readonly shard: { readonly current: Shard };
	readonly own: OwnSegments;
	readonly narrowing: Narrowing;
	readonly unrewarded: Unrewarded;
}
