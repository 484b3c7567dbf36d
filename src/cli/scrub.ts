/** `perigee scrub start|pause|status`: the scrub of a running node. */
import type { Static } from 'typebox';
import type { SCRUB_STATE } from '../api/admin/definitions.js';
import { type AdminOptions, connectAdmin } from './node-client.js';
import { type OutputOptions, printResult } from './output.js';
import { printable } from './printable.js';

export interface ScrubVerbOptions extends AdminOptions, OutputOptions {}

export type ScrubAction = 'start' | 'pause' | 'status';

type ScrubState = Static<typeof SCRUB_STATE>;

/** Prints where the scrub stands, after it was started or paused. */
export async function scrub(action: ScrubAction, options: ScrubVerbOptions): Promise<void> {
	const client = connectAdmin(options);
	try {
		const path = action === 'status' ? '/v1/admin/scrub' : `/v1/admin/scrub/${action}`;
		const state = await client.requests.json<ScrubState>(path, { method: action === 'status' ? 'GET' : 'POST' });
		printResult(options, state, textOf(state).map(printable).join('\n'));
	} finally {
		client.close();
	}
}

function textOf({ state, pass, last, nextAt, damagedSegments, damagedStretches }: ScrubState): string[] {
	const lines = [`state: ${state}`];
	if (pass) {
		const share = `${pass.percent} % of the log`;
		lines.push(
			`pass: since ${pass.startedAt}, ${pass.phase}, ${share}, ${pass.segments} segments, ${pass.damaged} damaged`,
		);
	}
	if (last) lines.push(`last: ended ${last.endedAt}, ${last.segments} segments, ${last.damaged} damaged`);
	if (nextAt !== undefined) lines.push(`next: ${nextAt}`);
	lines.push(`known damage: ${damagedSegments} segments, ${damagedStretches} stretches of log files`);
	return lines;
}
