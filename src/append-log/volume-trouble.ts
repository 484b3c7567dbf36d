/** What one disk may answer while others are well. */
import { PerigeeError } from '../errors.js';

export function isDiskFull(error: unknown): boolean {
	if (error instanceof PerigeeError) return error.code === 'DISK_FULL';
	const { code } = error as NodeJS.ErrnoException;
	return code === 'ENOSPC' || code === 'EDQUOT';
}

/** What one disk may answer while others are well. A failed sync is not among them: it is final (docs/format.md §7). */
const VOLUME_TROUBLES = ['EROFS', 'EACCES', 'EPERM', 'EIO', 'ENOENT', 'ENOTDIR', 'ENODEV', 'ENXIO', 'ESTALE'];

export function isVolumeTrouble(error: unknown): boolean {
	return isDiskFull(error) || VOLUME_TROUBLES.includes((error as NodeJS.ErrnoException).code ?? '');
}
