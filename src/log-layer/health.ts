/** What an operator should know about an open store. */
import type { AppendLog } from '../append-log/append-log.js';
import type { DamageList } from './damage.js';
import type { DiskSpace } from './disk-space.js';
import type { Settlement } from '../settlement/settlement.js';
import { lossReasons, type Losses } from './losses.js';
import { waitingReasons } from './retirement.js';
import type { HealthReason } from './types.js';
import type { View } from './view.js';

export interface HealthParts {
	readonly log: AppendLog;
	readonly disk: DiskSpace;
	readonly damage: DamageList;
	readonly view: View;
	readonly losses: Losses;
	/** Emptied log files that have waited for long for somebody who holds on to them. */
	readonly overdueFiles: () => number;
	readonly settlement: Pick<Settlement, 'trouble'>;
}

export function healthReasons({
	log,
	disk,
	damage,
	view,
	losses,
	overdueFiles,
	settlement,
}: HealthParts): HealthReason[] {
	const reasons: HealthReason[] = [];
	if (log.failure)
		reasons.push({ code: 'READ_ONLY', message: `writing stopped: ${log.failure.message}`, ready: false });
	if (view.isStalled)
		reasons.push({ code: 'DISK_FULL', message: 'the index waits for room on the disk', ready: false });
	else {
		const { shortage } = disk;
		if (shortage !== undefined) reasons.push({ code: 'DISK_FULL', message: shortage, ready: false });
	}
	if (damage.count > 0)
		reasons.push({
			code: 'DATA_DAMAGED',
			message: `${damage.count} segments are damaged or cannot be read`,
			ready: true,
		});
	reasons.push(...logReasons(damage), ...lossReasons(losses), ...waitingReasons(overdueFiles()));
	const trouble = settlement.trouble?.();
	// What is stored can be read all the same.
	if (trouble) reasons.push({ code: trouble.code, message: trouble.message, ready: !trouble.isFinal });
	if (view.damage)
		reasons.push({
			code: 'VIEW_DAMAGED',
			message: 'the index is damaged; the next start rebuilds it',
			ready: true,
		});
	return reasons;
}

function logReasons(damage: DamageList): HealthReason[] {
	const lost = damage.lostStretches.length;
	const halved = damage.stretches.filter(({ reason }) => reason === 'copy').length;
	return [
		...(lost > 0 ? [{ code: 'LOG_DAMAGED', message: `${lost} stretches of the log cannot be read`, ready: true }] : []),
		...(halved > 0
			? [
					{
						code: 'LOG_COPY_DAMAGED',
						message: `${halved} stretches of the log have one good copy left of two`,
						ready: true,
					},
				]
			: []),
	];
}
