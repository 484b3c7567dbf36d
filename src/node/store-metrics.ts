/** Metrics that are looked up when somebody asks for them. */
import { LANE_NAMES } from '../append-log/types.js';
import type { HealingStore } from '../log-layer/healing-store.js';
import type { Metrics } from '../metrics/metrics.js';

export function refreshStoreMetrics(metrics: Metrics, healing: HealingStore): void {
	metrics.ready.set(healing.files.health().every((reason) => reason.ready) ? 1 : 0);
	if (healing.isHealing) return;
	const store = healing.store();
	const flow = store.settlement.flow();
	metrics.submissions.set(flow.submissions);
	metrics.flowLengthSectors.set(Number(flow.lengthSectors));
	metrics.ledgerBlock.set(flow.blockNumber);
	for (const { volume, freeBytes, reserveBytes } of store.disk.volumes) {
		metrics.diskFreeBytes.set({ volume: String(volume) }, freeBytes);
		metrics.diskReserveBytes.set({ volume: String(volume) }, reserveBytes);
	}
	for (const lane of LANE_NAMES) metrics.logWaitingWrites.set({ lane }, store.log.waitingWrites(lane));
	metrics.scrubRunning.set(store.scrub.status().state === 'running' ? 1 : 0);
	const compaction = store.compaction.status();
	metrics.compactionRunning.set(compaction.state === 'running' ? 1 : 0);
	metrics.compactionFileBytes.set(compaction.fileBytes);
	metrics.compactionDeadBytes.set(compaction.deadBytes);
	metrics.compactionWaitingFiles.set(compaction.waiting.length);
	metrics.compactionKeptFiles.set(compaction.kept.length);
	metrics.damagedPlaces.set(store.damage.count);
	metrics.damagedStretches.set(store.damage.stretches.length);
	metrics.unnamedObjects.set(store.waiting.unnamed);
	metrics.resumableUploads.set(store.waiting.resumables);
	metrics.purgesWaiting.set(store.waiting.purges);
}
