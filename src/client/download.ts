/** Downloads that are checked while they arrive, and that go on where a connection broke off. */
import { type Answer, bytesOf, chunksOf, lost, pause, RequestError, type Requests } from './request.js';
import { RangeVerifier, sizeProbes, VerifyError, verifyRange } from './verify.js';

export interface DownloadOptions {
	/** Bytes of the file, from where the root comes from. Absent: the node is asked and its answer checked against the root, with up to five small requests. */
	readonly size?: number;
	/** First byte; 0 when absent. */
	readonly from?: number;
	/** The byte behind the last one; the end of the file when absent. */
	readonly to?: number;
	readonly signal?: AbortSignal;
	/** Told how many bytes are verified, and how many there will be. */
	readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
	/** Tries without a single new byte before it is given up; 3 when absent. */
	readonly tries?: number;
}

const FIRST_PAUSE_MS = 200;

/** Verified bytes in order. Errors: VerifyError; RequestError when no try got further; what the signal says. */
export async function* verifiedBytes(
	requests: Requests,
	root: string,
	options: DownloadOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
	const { signal, onProgress, tries = 3, from = 0 } = options;
	const size = options.size ?? (await checkedSize(requests, root, signal));
	const to = Math.min(options.to ?? size, size);
	let at = from;
	for (let failures = 0; at < to || at === from; ) {
		try {
			for await (const bytes of proved(requests, { root, size, from: at, to }, signal)) {
				at += bytes.length;
				failures = 0;
				onProgress?.(at - from, to - from);
				yield bytes;
			}
			return;
		} catch (error) {
			failures++;
			if (!(error instanceof RequestError && error.retryable) || failures >= tries) throw error;
			await pause(FIRST_PAUSE_MS * 2 ** failures, signal);
		}
	}
}

/**
 * Size of the file with this root, but for zero bytes at its end, by the word of a node that the root confirms (docs/range-proof.md).
 * Errors: VerifyError when the root does not confirm it, RequestError.
 */
export async function checkedSize(requests: Requests, root: string, signal: AbortSignal | undefined): Promise<number> {
	const { size } = await requests.json<{ readonly size: number }>(`/v1/files/${root}/info`, { signal });
	if (!Number.isSafeInteger(size) || size < 1) throw new VerifyError('the node tells no size of the file');
	const probes = sizeProbes(size).map(async (at) => {
		const answer = await askProved(requests, { root, from: at, to: at + 1 }, signal);
		verifyRange(await bytesOf(answer, signal), { root, size, from: at, to: at + 1 });
	});
	const failed = (await Promise.allSettled(probes)).find((probe) => probe.status === 'rejected');
	if (failed) throw brokenOff(failed.reason, signal);
	return size;
}

/** A file as the node sends it. */
export interface Unverified {
	/** As the node says. */
	readonly size: number | undefined;
	/** Errors: RequestError, what the signal says. */
	readonly bytes: AsyncGenerator<Uint8Array, void, undefined>;
}

export async function unverified(
	requests: Requests,
	root: string,
	signal: AbortSignal | undefined,
): Promise<Unverified> {
	const answer = await requests.ask(`/v1/files/${root}`, { signal });
	const length = answer.headers.get('content-length');
	return { size: length === null ? undefined : Number(length), bytes: chunksOf(answer, signal) };
}

/** One try. */
async function* proved(
	requests: Requests,
	wanted: { readonly root: string; readonly size: number; readonly from: number; readonly to: number },
	signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
	const verifier = new RangeVerifier(wanted);
	const answer = await askProved(requests, wanted, signal);
	try {
		for await (const chunk of chunksOf(answer, signal)) yield* verifier.push(chunk);
	} catch (error) {
		throw brokenOff(error, signal);
	}
	if (!verifier.isWhole) throw brokenOff(new Error('too few bytes'), signal);
}

function brokenOff(error: unknown, signal: AbortSignal | undefined): unknown {
	return error instanceof VerifyError ? error : lost(error, signal, 'the node broke off');
}

function askProved(
	requests: Requests,
	{ root, from, to }: { readonly root: string; readonly from: number; readonly to: number },
	signal: AbortSignal | undefined,
): Promise<Answer> {
	return requests.ask(`/v1/files/${root}?proof=range`, { headers: { Range: `bytes=${from}-${to - 1}` }, signal });
}
