/** A client of the real process that believes nothing: every byte, range and proof is compared with what was sent. */
import { setTimeout as delay } from 'node:timers/promises';
import { bytesOfHex, SEGMENT_BYTES } from '../../src/units.js';
import type { Prng } from '../support/prng.js';
import type { Content } from './oracle.js';
import { proofRefusal } from './proofs.js';
import { Violation } from './violation.js';

/** What a node may answer for a file that it does not serve. */
export type Absence = 'unknown' | 'deleted' | 'damaged';

/** A rebuild of the small directories of these tests takes far less. */
const REBUILD_MS = 30_000;
const REBUILD_POLL_MS = 50;

export class RestClient {
	readonly #url: string;

	constructor(url: string) {
		this.#url = url;
	}

	/** Uploads a content. True when it was new to the node. Errors: Violation; that of `fetch` when the node is gone. */
	async put({ bytes, root }: Content, signal?: AbortSignal): Promise<boolean> {
		const answer = await fetch(`${this.#url}/v1/upload/file`, {
			method: 'PUT',
			body: new Uint8Array(bytes),
			...(signal && { signal }),
		});
		const body = (await answer.json()) as { readonly root?: string };
		if (answer.status !== 201 && answer.status !== 200)
			throw new Violation(`an upload was answered with ${answer.status}: ${JSON.stringify(body)}`);
		if (body.root !== root) throw new Violation(`${root} was answered as ${body.root}`);
		return answer.status === 201;
	}

	/** Sends the first part of a content and goes away. */
	async breakOff({ bytes }: Content): Promise<void> {
		const gone = new AbortController();
		async function* firstPart(): AsyncGenerator<Uint8Array> {
			yield new Uint8Array(bytes.subarray(0, bytes.length / 2));
			await new Promise((resolve) => setImmediate(resolve));
			gone.abort();
		}
		const request = { method: 'PUT', body: firstPart(), duplex: 'half', signal: gone.signal };
		await fetch(`${this.#url}/v1/upload/broken`, request as unknown as RequestInit).then(
			(answer) => answer.arrayBuffer(),
			() => undefined,
		);
	}

	/** Reads a file as a whole, once the node is not rebuilding its index. Answers why it is not served, or undefined when every byte of it was right. */
	async read({ root, bytes }: Content): Promise<Absence | undefined> {
		const answer = await this.#getReady(`/v1/files/${root}`);
		// Damage that is found on the way breaks the answer off: fewer bytes, and an error.
		const body = await answer.arrayBuffer().then(Buffer.from, () => undefined);
		if (answer.status === 200 && body === undefined) return 'damaged';
		if (answer.status === 200 && body) {
			if (!body.equals(bytes)) throw new Violation(`wrong bytes of ${root}`);
			return undefined;
		}
		if (answer.status === 404) return 'unknown';
		if (answer.status === 410) return 'deleted';
		const { code } = JSON.parse(body?.toString() ?? '{}') as { readonly code?: string };
		if (code === 'DATA_DAMAGED') return 'damaged';
		throw new Violation(`${root} is answered with ${answer.status}: ${body?.toString()}`);
	}

	/** Reads a range drawn by the source. */
	async readRange({ root, bytes }: Content, prng: Prng): Promise<void> {
		const from = prng.below(bytes.length);
		const to = Math.min(bytes.length, from + 1 + prng.below(100_000));
		const answer = await fetch(`${this.#url}/v1/files/${root}`, { headers: { range: `bytes=${from}-${to - 1}` } });
		const body = Buffer.from(await answer.arrayBuffer());
		if (answer.status !== 206)
			throw new Violation(`a range of ${root} is answered with ${answer.status}: ${body.toString()}`);
		if (!body.equals(bytes.subarray(from, to))) throw new Violation(`wrong bytes of ${root} in ${from}..${to}`);
	}

	/** Reads a segment drawn by the source, and checks its proof. */
	async readProof({ root, bytes }: Content, prng: Prng): Promise<void> {
		const index = prng.below(Math.ceil(bytes.length / SEGMENT_BYTES));
		const answer = await fetch(`${this.#url}/v1/files/${root}/segments/${index}?proof=1`);
		if (answer.status !== 200) throw new Violation(`segment ${index} of ${root} is answered with ${answer.status}`);
		const { data, proof } = (await answer.json()) as {
			readonly data: string;
			readonly proof: { readonly lemma: readonly string[]; readonly path: readonly boolean[] };
		};
		const segment = Buffer.from(data, 'base64');
		const own = bytes.subarray(index * SEGMENT_BYTES, (index + 1) * SEGMENT_BYTES);
		if (!segment.subarray(0, own.length).equals(own)) throw new Violation(`wrong bytes in segment ${index} of ${root}`);
		const refusal = proofRefusal({ root, sizeBytes: bytes.length }, index, segment, {
			lemma: proof.lemma.map(bytesOfHex),
			path: proof.path,
		});
		if (refusal !== null) throw new Violation(`the proof of segment ${index} of ${root} is refused: ${refusal}`);
	}

	/** Asks again as long as the node says that it rebuilds its index. */
	async #getReady(path: string): Promise<Response> {
		const endMs = performance.now() + REBUILD_MS;
		for (;;) {
			const answer = await fetch(`${this.#url}${path}`);
			if (answer.status !== 503 || performance.now() > endMs) return answer;
			await answer.arrayBuffer();
			await delay(REBUILD_POLL_MS);
		}
	}

	/** Deletes a file that is there. False when the node has no deletion. */
	async remove({ root }: Content, signal?: AbortSignal): Promise<boolean> {
		const answer = await fetch(`${this.#url}/v1/files/${root}`, { method: 'DELETE', ...(signal && { signal }) });
		const text = await answer.text();
		if (answer.status === 405) return false;
		if (answer.status !== 204) throw new Violation(`a deletion was answered with ${answer.status}: ${text}`);
		return true;
	}
}
