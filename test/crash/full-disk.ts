/** The real process on a file system that something else fills up to a byte position drawn by the seed. */
import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { spawnCli } from '../support/processes.js';
import { Prng } from '../support/prng.js';
import { SmallDisk } from '../support/small-disk.js';
import { makeContent, type Content } from './oracle.js';
import { Violation } from './violation.js';

const DISK_BYTES = 96 * 2 ** 20;
/** The room that is left lies between none and this: the place of the first write that fails moves through log, journal and index. */
const MOST_ROOM_BYTES = 12 * 2 ** 20;
const POSITIONS = 100;
const REFUSALS_WANTED = 4;
const UPLOADS_MOST = 400;
const MOST_UPLOAD_BYTES = 900_000;
const ROOM_MS = 30_000;
const POLL_MS = 100;

export interface FullDiskOutcome {
	readonly positions: number;
	readonly acknowledged: number;
	readonly refused: number;
	readonly restartsWhileFull: number;
}

/** Why such a disk cannot be had here; undefined when it can. */
export async function smallDiskRefusal(): Promise<string | undefined> {
	const disk = await SmallDisk.mount(2 ** 20);
	if (typeof disk === 'string') return disk;
	await disk.unmount();
	return undefined;
}

/** One position. Throws at the first broken promise. */
export async function runFullDisk(seed: number): Promise<FullDiskOutcome> {
	const disk = await SmallDisk.mount(DISK_BYTES);
	if (typeof disk === 'string') throw new Error(disk);
	const run = new FullDiskRun(disk, seed);
	try {
		return await run.run();
	} finally {
		await run.end();
		await disk.unmount();
	}
}

class FullDiskRun {
	readonly #disk: SmallDisk;
	readonly #seed: number;
	readonly #prng: Prng;
	readonly #acknowledged: Content[] = [];
	/** Answered with 507: absent, or whole. */
	readonly #refused: Content[] = [];
	#child: ChildProcess | undefined;
	#url = '';
	#log = '';

	constructor(disk: SmallDisk, seed: number) {
		this.#disk = disk;
		this.#seed = seed;
		this.#prng = new Prng(seed);
	}

	async run(): Promise<FullDiskOutcome> {
		await this.#start();
		for (const sizeBytes of [1, 3000, 300_000, 1_500_000, 262_144, 20_000]) await this.#mustUpload(sizeBytes);
		await this.#disk.fill(
			Math.floor(((this.#seed % POSITIONS) / POSITIONS) * MOST_ROOM_BYTES) + this.#prng.below(4096),
		);
		let refusals = 0;
		for (let left = UPLOADS_MOST; left > 0 && refusals < REFUSALS_WANTED; left--) {
			const sizeBytes = this.#prng.chance(0.5) ? 1 + this.#prng.below(9000) : 1 + this.#prng.below(MOST_UPLOAD_BYTES);
			if (!(await this.#upload(sizeBytes))) refusals++;
		}
		if (refusals < REFUSALS_WANTED) throw new Violation('a full disk takes uploads');
		await this.#verify();
		let restarts = 0;
		if (this.#seed % 3 > 0) {
			if (this.#seed % 3 === 1) await this.#kill();
			else await this.#stop();
			await this.#start();
			restarts++;
			await this.#verify();
		}
		await this.#disk.empty();
		// The node may have looked while only a part of the room was back.
		for (const sizeBytes of [2000, MOST_UPLOAD_BYTES, MOST_UPLOAD_BYTES]) await this.#awaitRoom(sizeBytes);
		await this.#verify();
		if (this.#prng.chance(0.5)) await this.#stop();
		else await this.#kill();
		await this.#start();
		await this.#verify();
		return {
			positions: 1,
			acknowledged: this.#acknowledged.length,
			refused: this.#refused.length,
			restartsWhileFull: restarts,
		};
	}

	async end(): Promise<void> {
		if (this.#child && this.#child.exitCode === null && this.#child.signalCode === null) await this.#kill();
	}

	async #start(): Promise<void> {
		// Without a reserve to speak of, uploads go on to the last byte.
		const reserve = this.#seed % 2 === 0 ? { PERIGEE_STORAGE_RESERVE_BYTES: '1' } : {};
		const args = ['start', '--json', '--data-dir', join(this.#disk.directory, 'data'), '--http', '127.0.0.1:0'];
		const child = spawnCli([...args, '--admin', '127.0.0.1:0', '--log-level', 'warn'], { env: reserve });
		this.#child = child;
		this.#log = '';
		child.stderr?.on('data', (text: Buffer) => {
			this.#log = (this.#log + text.toString()).slice(-4000);
		});
		const ended = once(child, 'exit').then(() => undefined);
		const line = await Promise.race([once(child.stdout as NodeJS.ReadableStream, 'data'), ended]);
		if (!line) throw new Violation(`the node does not start: ${this.#log}`);
		this.#url = (JSON.parse(String(line[0])) as { readonly url: string }).url;
	}

	async #kill(): Promise<void> {
		await this.#endWith('SIGKILL');
	}

	async #stop(): Promise<void> {
		const code = await this.#endWith('SIGTERM');
		if (code !== 0) throw new Violation(`a stop ends with ${code}: ${this.#log}`);
	}

	async #endWith(signal: NodeJS.Signals): Promise<number | null> {
		const child = this.#child;
		this.#child = undefined;
		if (!child || child.exitCode !== null) throw new Violation(`the node ended by itself: ${this.#log}`);
		const ended = once(child, 'exit') as Promise<[number | null]>;
		child.kill(signal);
		return (await ended)[0];
	}

	async #mustUpload(sizeBytes: number): Promise<void> {
		if (!(await this.#upload(sizeBytes)))
			throw new Violation(`an upload of ${sizeBytes} bytes is refused although there is room: ${this.#log}`);
	}

	/** False when it was refused because the disk is full. */
	async #upload(sizeBytes: number): Promise<boolean> {
		const content = makeContent(this.#prng, sizeBytes);
		const body = new Uint8Array(content.bytes);
		const answer = await fetch(`${this.#url}/v1/upload/file`, { method: 'PUT', body });
		const text = await answer.text();
		if (answer.status === 507) {
			this.#refused.push(content);
			return false;
		}
		if (answer.status !== 201) throw new Violation(`an upload is answered with ${answer.status}: ${text} ${this.#log}`);
		if ((JSON.parse(text) as { readonly root: string }).root !== content.root)
			throw new Violation(`a wrong root: ${text}`);
		this.#acknowledged.push(content);
		return true;
	}

	/** The node finds out by itself, without a restart. */
	async #awaitRoom(sizeBytes: number): Promise<void> {
		const endMs = performance.now() + ROOM_MS;
		while (!(await this.#upload(sizeBytes))) {
			if (performance.now() > endMs) throw new Violation(`room that came back is not used: ${this.#log}`);
			await delay(POLL_MS);
		}
	}

	/** What was answered is served, what was refused is whole or not there, and every submission has its data. */
	async #verify(): Promise<void> {
		for (const content of this.#acknowledged)
			if (!(await this.#isServed(content))) throw new Violation(`${content.root} was acknowledged and is gone`);
		for (const content of this.#refused) await this.#isServed(content);
		const known = new Set([...this.#acknowledged, ...this.#refused].map(({ root }) => root));
		const { submissions } = (await this.#json('/v1/flow')) as { readonly submissions: number };
		for (let txSeq = 0; txSeq < submissions; txSeq++) {
			const file = (await this.#json(`/v1/submissions/${txSeq}/info`)) as {
				readonly root: Content['root'];
				readonly finalized: boolean;
			};
			if (!known.has(file.root) || !file.finalized) throw new Violation(`submission ${txSeq}: ${JSON.stringify(file)}`);
		}
	}

	async #isServed({ root, bytes }: Content): Promise<boolean> {
		const answer = await fetch(`${this.#url}/v1/files/${root}`);
		const body = Buffer.from(await answer.arrayBuffer());
		if (answer.status === 404) return false;
		if (answer.status !== 200) throw new Violation(`${root} is answered with ${answer.status}: ${body.toString()}`);
		if (!body.equals(bytes)) throw new Violation(`wrong bytes of ${root}`);
		return true;
	}

	async #json(path: string): Promise<unknown> {
		const answer = await fetch(`${this.#url}${path}`);
		if (answer.status !== 200) throw new Violation(`${path} is answered with ${answer.status}`);
		return answer.json();
	}
}
