/** Uploads at a steady rate, while a random file goes for every second one that comes. */
import { setTimeout as delay } from 'node:timers/promises';
import { makeRandom, newPiece, PIECE_BYTES, stampPiece } from './content.js';
import { expectStatus, HttpConnection } from './http-connection.js';

const CONNECTIONS = 4;

export interface Churn {
	/** Bytes of the files that are there. */
	readonly liveBytes: number;
	readonly uploadedBytes: number;
	readonly deletedBytes: number;
	/** Resolves when no request is under way any more; errors: an answer that was not expected. */
	stop(): Promise<void>;
}

interface LiveFile {
	readonly root: string;
	readonly bytes: number;
}

/** Begins at once. `bytesPerSecond`: of uploads; every eighth file has 64 KiB, the others 1 MiB. */
export async function startChurn(port: number, bytesPerSecond: number): Promise<Churn> {
	const random = makeRandom(1);
	const live: LiveFile[] = [];
	const sums = { live: 0, uploaded: 0, deleted: 0 };
	const startMs = performance.now();
	let isStopped = false;
	let next = 0;

	const upload = async (connection: HttpConnection, piece: Buffer): Promise<void> => {
		const index = next++;
		const bytes = index % 8 === 0 ? PIECE_BYTES / 16 : PIECE_BYTES;
		sums.uploaded += bytes;
		stampPiece(piece, 1, index);
		const answered = connection.answer({ keepBody: true });
		connection.write(requestHead('PUT', `/v1/upload/churn-${index}`, bytes));
		connection.write(piece.subarray(0, bytes));
		const answer = await answered;
		expectStatus(answer, 201);
		const { root } = JSON.parse(answer.body.toString()) as { readonly root: string };
		live.push({ root, bytes });
		sums.live += bytes;
	};

	const removeOne = async (connection: HttpConnection): Promise<void> => {
		const pick = random() % live.length;
		const file = live[pick];
		const last = live.pop();
		if (!file || !last) return;
		if (last !== file) live[pick] = last;
		const answered = connection.answer();
		connection.write(requestHead('DELETE', `/v1/files/${file.root}`, 0));
		expectStatus(await answered, 204);
		sums.live -= file.bytes;
		sums.deleted += file.bytes;
	};

	const work = async (connection: HttpConnection): Promise<void> => {
		const piece = newPiece();
		while (!isStopped) {
			const dueMs = startMs + (1000 * sums.uploaded) / bytesPerSecond;
			if (dueMs > performance.now()) await delay(dueMs - performance.now());
			const isSecond = next % 2 === 1;
			await upload(connection, piece);
			if (isSecond) await removeOne(connection);
		}
		connection.close();
	};

	const connections = await Promise.all(Array.from({ length: CONNECTIONS }, () => HttpConnection.open(port)));
	const workers = Promise.all(connections.map(work));
	// Somebody learns of a failure only at the end.
	workers.catch(() => undefined);
	return {
		get liveBytes() {
			return sums.live;
		},
		get uploadedBytes() {
			return sums.uploaded;
		},
		get deletedBytes() {
			return sums.deleted;
		},
		async stop() {
			isStopped = true;
			await workers;
		},
	};
}

function requestHead(method: string, path: string, bytes: number): Buffer {
	return Buffer.from(`${method} ${path} HTTP/1.1\r\nHost: bench\r\nContent-Length: ${bytes}\r\n\r\n`);
}
