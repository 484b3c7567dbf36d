/** Names of crash points: which call of the disk, on what kind of file, and before, in the middle of, or after it. */
import type { CallKind, Fault, IoCall } from '../support/simulated-io.js';

export type Moment = 'before' | 'torn' | 'after';

/** How often each name was hit. */
export type Tally = Record<string, number>;

const CHANGING: ReadonlySet<CallKind> = new Set([
	'writev',
	'fdatasync',
	'rename',
	'link',
	'unlink',
	'makeDir',
	'removeDir',
	'syncDir',
]);

/** True when the call changes the disk or makes something durable: a crash beside any other call finds the disk as beside one of these. */
export function changesDisk(call: IoCall): boolean {
	return CHANGING.has(call.kind) || call.mode === 'create';
}

/** Where in its call a fault ends the process; undefined when it goes on. */
export function momentOf(call: IoCall, fault: Fault | undefined): Moment | undefined {
	switch (fault?.type) {
		case 'crash':
			return 'before';
		case 'crashDuring':
			return call.kind === 'writev' ? 'torn' : 'before';
		case 'crashAfter':
			return 'after';
		default:
			return undefined;
	}
}

/** For example `writev bulk log, torn`. */
export function pointName(call: IoCall, moment: Moment): string {
	const kind = call.kind === 'open' && call.mode === 'create' ? 'create' : call.kind;
	return `${kind} ${placeName(call.path)}, ${moment}`;
}

export function addTally(into: Tally, from: Tally): void {
	for (const [name, hits] of Object.entries(from)) into[name] = (into[name] ?? 0) + hits;
}

/** The kind of a file or directory of the data directory. */
function placeName(path: string): string {
	const log = /\/(\w+)-\d{10}\.log$/.exec(path);
	if (log) return `${log[1]} log`;
	if (path === '/') return 'root directory';
	const name = path.slice(path.lastIndexOf('/') + 1);
	if (path.endsWith('/view') || path.endsWith('/log')) return `${name} directory`;
	if (path.lastIndexOf('/') === 0) return 'data directory';
	return path.includes('/view/') ? 'view' : name;
}
