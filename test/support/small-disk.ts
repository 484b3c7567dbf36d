/** A file system of a few MiB in memory, for tests that need a disk that is really full or really read-only. Linux, and only where mounting is allowed. */
import { execFile } from 'node:child_process';
import { mkdtemp, open, rm, statfs, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PART = Buffer.alloc(1024 * 1024, 0x5a);

export class SmallDisk {
	/** Where it is mounted. */
	readonly directory: string;

	private constructor(directory: string) {
		this.directory = directory;
	}

	/** Mounts one; the reason when that is not possible here. */
	static async mount(sizeBytes: number): Promise<SmallDisk | string> {
		const directory = await mkdtemp(join(tmpdir(), 'perigee-disk-'));
		try {
			await run('mount', ['-t', 'tmpfs', '-o', `size=${sizeBytes}`, 'tmpfs', directory]);
			return new SmallDisk(directory);
		} catch (error) {
			await rm(directory, { recursive: true });
			return `tmpfs cannot be mounted here: ${error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)}`;
		}
	}

	async freeBytes(): Promise<number> {
		const { bavail, bsize } = await statfs(this.directory);
		return bavail * bsize;
	}

	/** Something else takes all room but so many bytes. */
	async fill(leaveBytes: number): Promise<void> {
		const file = await open(join(this.directory, 'filler'), 'w');
		try {
			for (;;) {
				const bytes = Math.min(PART.length, (await this.freeBytes()) - leaveBytes);
				if (bytes <= 0) return;
				await file.write(PART, 0, bytes);
			}
		} finally {
			await file.close();
		}
	}

	/** Gives back what `fill` took. */
	async empty(): Promise<void> {
		await unlink(join(this.directory, 'filler'));
	}

	/** Errors: EBUSY while a file is open for writing. */
	async remount(mode: 'ro' | 'rw'): Promise<void> {
		await run('mount', ['-o', `remount,${mode}`, this.directory]);
	}

	async unmount(): Promise<void> {
		await run('umount', [this.directory]);
		await rm(this.directory, { recursive: true });
	}
}
