/** What Linux tells about a process; elsewhere nothing. */
import { readFileSync } from 'node:fs';

/** Of /proc/<pid>/stat: the kernel's clock ticks, fixed at 100 a second for user space. */
const TICKS_PER_SECOND = 100;
const USER_TICKS_FIELD = 11;
/** Of the first line of /proc/stat. */
const STOLEN_TICKS_FIELD = 8;

/** Processor seconds of a process so far, all its threads together. */
export function cpuSecondsOf(pid: number): number {
	const text = readProc(pid, 'stat');
	// The name may hold spaces; the fields after it are counted from its bracket.
	const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
	return (Number(fields[USER_TICKS_FIELD] ?? 0) + Number(fields[USER_TICKS_FIELD + 1] ?? 0)) / TICKS_PER_SECOND;
}

/** Processor seconds, all processors together, for which whoever runs this virtual machine has stopped it so far; 0 on one that is real. */
export function stolenSeconds(): number {
	const [total = ''] = readProcFile('/proc/stat').split('\n', 1);
	return Number(total.split(/\s+/)[STOLEN_TICKS_FIELD] ?? 0) / TICKS_PER_SECOND;
}

export interface MemoryBytes {
	/** Everything resident, mapped files included. */
	readonly resident: number;
	/** Resident memory that no file backs: heaps, stacks, buffers. */
	readonly anonymous: number;
}

export function memoryOf(pid: number): MemoryBytes {
	const text = readProc(pid, 'status');
	const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
	return { resident: field('VmRSS'), anonymous: field('RssAnon') };
}

function readProc(pid: number, file: string): string {
	return readProcFile(`/proc/${pid}/${file}`);
}

function readProcFile(path: string): string {
	return process.platform === 'linux' ? readFileSync(path, 'latin1') : '';
}
