/** Files whose writes fail from some write on, as if the process had ended. */
import type { StorageIo } from '../../src/io/storage-io.js';

/** `left`: writes until then. */
export function endingIo(left = Infinity): { left: number; readonly wrapIo: (io: StorageIo) => StorageIo } {
	const ending = {
		left,
		wrapIo: (io: StorageIo): StorageIo => ({
			...io,
			async open(...args) {
				const file = await io.open(...args);
				const { writev } = file;
				return Object.assign(file, {
					writev(...what: Parameters<typeof writev>): Promise<number> {
						if (--ending.left < 0) return Promise.reject(new Error('the process is no more'));
						return writev.apply(file, what);
					},
				});
			},
		}),
	};
	return ending;
}
