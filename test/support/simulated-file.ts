import type { OpenMode, StorageFile } from '../../src/io/storage-io.js';
import { type DiskFile, systemError, type WriteInFlight } from './simulated-disk.js';
import type { SimulatedIo } from './simulated-io.js';

const ZEROS = new Uint8Array(8192);

/** One open file of a SimulatedIo. */
export class SimulatedFile implements StorageFile {
	readonly path: string;
	readonly #io: SimulatedIo;
	readonly #file: DiskFile;
	readonly #mode: OpenMode;
	readonly #hasZerosAhead: boolean;
	#closed = false;

	constructor(io: SimulatedIo, path: string, file: DiskFile, mode: OpenMode, hasZerosAhead: boolean) {
		this.#hasZerosAhead = hasZerosAhead;
		this.#io = io;
		this.path = path;
		this.#file = file;
		this.#mode = mode;
	}

	writev(buffers: readonly Uint8Array[], position: number): Promise<number> {
		const flight: WriteInFlight = { offset: position, buffers };
		const land = (): boolean => this.#file.inFlight.delete(flight);
		const write = (shortBytes: number | undefined): number => {
			land();
			this.#assertOpen();
			if (this.#mode === 'read') throw systemError('EBADF', this.path);
			return this.#write(buffers, position, shortBytes);
		};
		const wasRunning = !this.#io.crashed;
		const written = this.#io.call('writev', this.path, write, land);
		if (wasRunning && (!this.#io.crashed || this.#io.stoppedInCall)) this.#file.inFlight.add(flight);
		return written;
	}

	read(buffer: Uint8Array, position: number): Promise<number> {
		return this.#io.call('read', this.path, () => {
			this.#assertOpen();
			const bytes = this.#file.current.bytes.subarray(position, position + buffer.byteLength);
			buffer.set(bytes);
			return bytes.byteLength;
		});
	}

	fdatasync(): Promise<void> {
		const sync = (): void => {
			this.#assertOpen();
			this.#file.sync();
		};
		return this.#io.call('fdatasync', this.path, sync, () => this.#io.failSync(this.#file));
	}

	size(): Promise<number> {
		return this.#io.call('size', this.path, () => {
			this.#assertOpen();
			return this.#file.current.size;
		});
	}

	close(): Promise<void> {
		return this.#io.call('close', this.path, () => {
			if (this.#closed) return;
			this.#closed = true;
			this.#io.closed(this.#file);
		});
	}

	#write(buffers: readonly Uint8Array[], position: number, shortBytes: number | undefined): number {
		const data = Buffer.concat(buffers);
		const size = this.#file.current.size;
		const roomEnd = size + this.#io.freeBytes;
		const fitting = Math.max(0, Math.min(data.byteLength, roomEnd - position));
		if (fitting === 0 && data.byteLength > 0) throw systemError('ENOSPC', this.path);
		const count = Math.min(fitting, shortBytes ?? fitting);
		this.#io.grow(Math.max(0, position + count - size));
		this.#file.write(position, data.subarray(0, count));
		const end = position + count;
		if (this.#hasZerosAhead && end >= size && this.#io.freeBytes >= ZEROS.length) {
			this.#io.grow(ZEROS.length);
			this.#file.write(end, ZEROS);
		}
		return count;
	}

	#assertOpen(): void {
		if (this.#closed) throw systemError('EBADF', this.path);
	}
}
