/** A file to standard output: since nothing can be taken back there, each segment is checked before it is written. */
import { once } from 'node:events';
import { LIMITS } from '../limits.js';
import { fileGeometry } from '../native/addon.js';
import { proofRefusal } from '../native/segment-proof.js';
import { bytesOfHex, type DataRoot, SEGMENT_BYTES } from '../units.js';
import { CliError } from './exit-codes.js';
import type { NodeClient } from './node-client.js';
import type { OutputOptions } from './output.js';
import { startProgress } from './progress.js';

type SegmentAnswer = Awaited<ReturnType<NodeClient['api']['segment']>>;

export interface WantedFile {
	readonly root: DataRoot;
	readonly sizeBytes: number;
}

/** Fetches the segments with their proofs and writes those that lead to the root. Errors: CliError `verification`. */
export async function writeVerifiedSegments(
	client: NodeClient,
	file: WantedFile,
	options: OutputOptions,
): Promise<void> {
	const segments = Math.ceil(file.sizeBytes / SEGMENT_BYTES);
	const fetchOne = (index: number): Promise<SegmentAnswer> => {
		const answer = client.api.segment(file.root, index);
		// One that fails before its turn is told about in its turn.
		answer.catch(() => undefined);
		return answer;
	};
	const progress = await startProgress(options, file.root.slice(0, 12), file.sizeBytes);
	const coming: Promise<SegmentAnswer>[] = [];
	let asked = 0;
	try {
		for (let index = 0; index < segments; index++) {
			while (asked < segments && asked <= index + LIMITS.clientSegmentsAhead) coming.push(fetchOne(asked++));
			const answer = await coming.shift();
			if (answer === undefined) break;
			const bytes = verifiedBytes(file, index, answer);
			if (!process.stdout.write(bytes)) await once(process.stdout, 'drain');
			progress.add(bytes.length);
		}
	} finally {
		progress.stop();
		// Segments asked for in vain must not fail unheard.
		await Promise.allSettled(coming);
	}
}

/** The bytes of the file in this segment, if the proof leads from them to the root. */
function verifiedBytes(file: WantedFile, index: number, answer: SegmentAnswer): Buffer {
	const geometry = fileGeometry(BigInt(file.sizeBytes));
	const isLast = BigInt(index) === geometry.segments - 1n;
	const lengthBytes = isLast ? geometry.lastSegmentBytes : SEGMENT_BYTES;
	const data = Buffer.from(answer.data, 'base64');
	if (data.length < lengthBytes || data.length > SEGMENT_BYTES) throw wrong(file.root, index, 'length');
	const proof = { lemma: answer.proof.lemma.map(bytesOfHex), path: answer.proof.path };
	const refusal = proofRefusal(file, index, data, proof, false);
	if (refusal !== null) throw wrong(file.root, index, refusal);
	return data.subarray(0, lengthBytes);
}

function wrong(root: DataRoot, index: number, what: string): CliError {
	return new CliError('verification', `segment ${index} of ${root} does not match its proof (${what})`, {
		hint: 'What was written before is right; the rest was not written. Ask another node.',
	});
}
