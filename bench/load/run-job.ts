/** Does the jobs of jobs.ts. */
import { createHash } from 'node:crypto';
import { ContentCheck, makeRandom, newPiece, PIECE_BYTES, stampPiece } from './content.js';
import { grpcDownload, grpcPosts, grpcUpload } from './grpc-jobs.js';
import { type Answer, expectStatus, HttpConnection } from './http-connection.js';
import { head, runRequests, secondsSince } from './requests.js';
import { rpcPosts } from './rpc-job.js';
import type { DownloadJob, GetsJob, Job, JobResult, SmallPutsJob, TusUploadJob, UploadJob } from './jobs.js';

/** Pieces of an upload handed to the socket at once: enough to keep it busy. */
const PIECES_IN_FLIGHT = 4;
const NUMBER_DIGITS = 8;

/** Errors: an answer other than the expected one, a connection that ends. */
export function runJob(job: Job): Promise<JobResult> {
	switch (job.kind) {
		case 'upload':
			return upload(job);
		case 'tus-upload':
			return tusUpload(job);
		case 'download':
			return download(job);
		case 'small-puts':
			return smallPuts(job);
		case 'grpc-upload':
			return grpcUpload(job);
		case 'grpc-download':
			return grpcDownload(job);
		case 'rpc-posts':
			return rpcPosts(job);
		case 'grpc-posts':
			return grpcPosts(job);
		default:
			return gets(job);
	}
}

async function upload(job: UploadJob): Promise<JobResult> {
	const connection = await HttpConnection.open(job.port);
	const startMs = performance.now();
	const answered = connection.answer({ keepBody: true });
	connection.write(head('PUT', `/v1/upload/${job.name}`, [`Content-Length: ${job.sizeBytes}`]));
	const sent = sendContent(connection, job, 0, job.sizeBytes);
	const answer = await answered;
	const seconds = secondsSince(startMs);
	expectStatus(answer, 201);
	await sent;
	connection.close();
	return { ...single(seconds, job.sizeBytes), locations: [locationOf(answer)] };
}

async function tusUpload(job: TusUploadJob): Promise<JobResult> {
	const connection = await HttpConnection.open(job.port);
	const tus = 'Tus-Resumable: 1.0.0';
	const startMs = performance.now();
	const created = connection.answer();
	connection.write(head('POST', '/v1/tus/', [tus, `Upload-Length: ${job.sizeBytes}`, 'Content-Length: 0']));
	const path = locationOf(await created);
	let root = '';
	for (let from = 0; from < job.sizeBytes; from += job.patchBytes) {
		const answered = connection.answer();
		const type = 'Content-Type: application/offset+octet-stream';
		connection.write(head('PATCH', path, [tus, type, `Upload-Offset: ${from}`, `Content-Length: ${job.patchBytes}`]));
		const sent = sendContent(connection, job, from, job.patchBytes);
		const answer = await answered;
		expectStatus(answer, 204);
		await sent;
		root = /^perigee-root: (\S+)/im.exec(answer.text)?.[1] ?? '';
	}
	const seconds = secondsSince(startMs);
	connection.close();
	return { ...single(seconds, job.sizeBytes), locations: [root] };
}

/** The bytes [from, from + bytes) of the content of a job. */
function sendContent(
	connection: HttpConnection,
	{ seed }: { readonly seed: number },
	from: number,
	bytes: number,
): Promise<void> {
	const count = (from + bytes) / PIECE_BYTES;
	if (!Number.isInteger(count)) throw new RangeError(`${bytes} bytes are no whole MiB`);
	return new Promise((resolve) => {
		let next = from / PIECE_BYTES;
		let taken = next;
		const send = (piece: Buffer): void => {
			if (next === count) return;
			stampPiece(piece, seed, next++);
			connection.write(piece, () => {
				taken += 1;
				if (taken === count) resolve();
				else send(piece);
			});
		};
		for (let index = 0; index < PIECES_IN_FLIGHT; index++) send(newPiece());
	});
}

async function download(job: DownloadJob): Promise<JobResult> {
	const connection = await HttpConnection.open(job.port);
	const check = job.checkSeed === undefined ? undefined : new ContentCheck(job.checkSeed);
	let bytes = 0;
	const startMs = performance.now();
	const answered = connection.answer({
		onBody(piece) {
			bytes += piece.length;
			check?.take(piece);
		},
	});
	connection.write(head('GET', job.path));
	const answer = await answered;
	const seconds = secondsSince(startMs);
	expectStatus(answer, 200);
	if (bytes !== job.sizeBytes) throw new Error(`${bytes} bytes came, ${job.sizeBytes} were expected`);
	connection.close();
	return single(seconds, bytes);
}

async function smallPuts(job: SmallPutsJob): Promise<JobResult> {
	const locations = new Array<string>(job.count);
	const seed = digits(job.seed);
	const name = `/v1/upload/${seed}`;
	const template = Buffer.concat([
		head('PUT', `${name}${digits(0)}`, [`Content-Length: ${job.sizeBytes}`]),
		newPiece().subarray(0, job.sizeBytes),
	]);
	const numberAt = 'PUT '.length + name.length;
	const bodyAt = template.length - job.sizeBytes;
	const timing = await runRequests(job, () => {
		const request = Buffer.from(template);
		return {
			request(index) {
				request.write(digits(index), numberAt, 'latin1');
				request.writeUInt32LE(job.seed, bodyAt);
				request.writeUInt32LE(index, bodyAt + 4);
				return request;
			},
			answered(index, answer) {
				expectStatus(answer, 201);
				locations[index] = locationOf(answer);
			},
		};
	});
	return { ...timing, bytes: job.count * job.sizeBytes, locations };
}

async function gets(job: GetsJob): Promise<JobResult> {
	const random = makeRandom(job.seed);
	const picks = Uint32Array.from({ length: job.count }, () => random() % job.paths.length);
	const { range } = job;
	const offsets = Float64Array.from({ length: job.count }, () =>
		range ? Math.floor((random() / 2 ** 32) * (range.fileBytes - range.bytes)) : 0,
	);
	const whole = range ? [] : job.paths.map((path) => head('GET', path));
	const digests = new Array<Buffer>(job.count);
	let bytes = 0;
	const timing = await runRequests(job, () => ({
		request(index) {
			const pick = picks[index] ?? 0;
			const offset = offsets[index] ?? 0;
			if (!range) return whole[pick] ?? Buffer.alloc(0);
			return head('GET', job.paths[pick] ?? '', [`Range: bytes=${offset}-${offset + range.bytes - 1}`]);
		},
		onBody(piece) {
			bytes += piece.length;
		},
		answered(index, answer) {
			expectStatus(answer, range ? 206 : 200);
			if (job.digest === true) digests[index] = createHash('sha256').update(answer.body).digest();
		},
		keepBody: job.digest === true,
	}));
	const digest = job.digest === true ? createHash('sha256').update(Buffer.concat(digests)).digest('hex') : undefined;
	return { ...timing, bytes, locations: [], ...(digest === undefined ? {} : { digest }) };
}

function single(seconds: number, bytes: number): JobResult {
	return { seconds, requests: 1, bytes, latencyMs: { p50: seconds * 1000, p99: seconds * 1000 }, locations: [] };
}

function locationOf(answer: Answer): string {
	const location = /^location: *(\S+)/im.exec(answer.text)?.[1];
	if (location === undefined) throw new Error(`an upload was answered without Location: ${answer.text}`);
	return location;
}

function digits(value: number): string {
	return String(value).padStart(NUMBER_DIGITS, '0');
}
