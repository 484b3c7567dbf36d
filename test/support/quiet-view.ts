/** A view that nobody listens to, and what is kept beside one, for tests that apply records by hand. */
import type { KvEngine } from '../../src/db/kv-engine.js';
import type { ApplyMemory } from '../../src/log-layer/apply-object.js';
import { ContentChanges } from '../../src/log-layer/content-changes.js';
import { LiveBytes } from '../../src/log-layer/live-bytes.js';
import { OpenTrees } from '../../src/log-layer/open-trees.js';
import { PendingObjects } from '../../src/log-layer/pending-objects.js';
import { View } from '../../src/log-layer/view.js';

export function quietView(kv: KvEngine): View {
	const ignore = (): void => undefined;
	return new View(kv, { batch: ignore, damaged: ignore, stalled: ignore, failed: ignore });
}

export function emptyMemory(): ApplyMemory {
	const pending = new PendingObjects(() => 0, []);
	return {
		trees: new OpenTrees(),
		pending,
		staged: new Map(),
		live: new LiveBytes(undefined, true),
		changes: new ContentChanges(),
	};
}
