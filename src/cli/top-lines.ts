/** The state of a node as lines of text. */
import type { NodeState } from './node-state.js';
import { printable } from './printable.js';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** One fact a line, at most 80 characters where nothing is wrong. */
export function linesOf(state: NodeState): string[] {
	const { uploads, downloads, waiting, log, scrub, compaction, damaged, process: own } = state;
	const lines = [
		`${state.node}  version ${state.version}  up ${duration(state.uptimeSeconds)}  ${state.ready ? 'ready' : 'NOT READY'}  ${state.time}`,
		'',
		`             per second        bytes/s        p50        p99`,
		row('uploads', uploads, uploads.failedPerSecond > 0 ? `  ${number(uploads.failedPerSecond)}/s failed` : ''),
		row('downloads', downloads, ''),
		'',
		`in progress  ${uploads.inProgress} uploads, ${state.connections} connections, ${number(state.errorsPerSecond)} errors/s`,
		`waiting      ${waiting.segments} segments, ${waiting.uploads} uploads, ${waiting.writes} writes`,
		`log          ${bytes(log.fileBytes)}, ${bytes(log.deadBytes)} dead, ${bytes(log.bytesPerSecond)}/s written, sync p99 ${time(log.syncP99Seconds)}`,
		...state.disks.map(
			({ volume, freeBytes, reserveBytes }) =>
				`disk ${printable(volume).padEnd(8)}${bytes(freeBytes)} free, ${bytes(reserveBytes)} reserved`,
		),
		`scrub        ${scrub.running ? `running, ${bytes(scrub.bytesPerSecond)}/s` : 'idle'}; damaged: ${damaged.segments} segments, ${damaged.stretches} stretches`,
		`compaction   ${compaction.running ? `running, ${bytes(compaction.bytesPerSecond)}/s` : 'idle'}`,
		`process      ${bytes(own.residentBytes)}, ${number(own.cores)} cores, event loop p99 ${time(own.eventLoopP99Seconds)}`,
		`submissions  ${state.submissions}`,
	];
	for (const { code, message } of state.reasons) lines.push(printable(`${code}: ${message}`));
	return lines.map(printable);
}

function row(name: string, traffic: NodeState['downloads'], more: string): string {
	const { perSecond, bytesPerSecond, p50Seconds, p99Seconds } = traffic;
	const cells = [number(perSecond), `${bytes(bytesPerSecond)}/s`, time(p50Seconds), time(p99Seconds)];
	const [first = '', second = '', ...rest] = cells;
	return `${name.padEnd(12)}${first.padStart(11)}${second.padStart(15)}${rest.map((cell) => cell.padStart(11)).join('')}${more}`;
}

function number(value: number): string {
	return value >= 100 ? String(Math.round(value)) : value.toFixed(1);
}

function bytes(value: number): string {
	let unit = 0;
	let left = value;
	for (; left >= 1024 && unit < UNITS.length - 1; unit++) left /= 1024;
	return `${unit === 0 || left >= 100 ? Math.round(left) : left.toFixed(1)} ${UNITS[unit]}`;
}

function time(seconds: number | null): string {
	if (seconds === null) return '-';
	return seconds >= 1 ? `${seconds.toFixed(1)} s` : `${(seconds * 1000).toFixed(1)} ms`;
}

function duration(seconds: number): string {
	const [days, hours, minutes] = [
		Math.floor(seconds / 86_400),
		Math.floor(seconds / 3600) % 24,
		Math.floor(seconds / 60) % 60,
	];
	if (days > 0) return `${days}d ${hours}h`;
	return hours > 0 ? `${hours}h ${minutes}m` : minutes > 0 ? `${minutes}m ${seconds % 60}s` : `${seconds}s`;
}
