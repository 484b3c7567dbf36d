/** Several ranges of one file in one answer: multipart/byteranges (RFC 9110 §14.6). */
import type { FilePiece } from '../../log-layer/types.js';
import type { ByteRange } from './ranges.js';

export interface RangeParts {
	readonly contentType: string;
	/** Of the whole body. */
	readonly lengthBytes: number;
	/** The body; each part's head comes only once its first bytes are there. */
	pieces(): AsyncGenerator<FilePiece, void, undefined>;
}

/**
 * `contentType` of the file, `boundary` a text that nobody could know when the file was made, `read` the bytes of a range. Errors of `pieces`:
 * those of `read`.
 */
export function rangeParts(
	ranges: readonly ByteRange[],
	{ sizeBytes, contentType }: { readonly sizeBytes: number; readonly contentType: string },
	boundary: string,
	read: (range: ByteRange) => AsyncIterable<FilePiece>,
): RangeParts {
	const heads = ranges.map(({ from, to }, index) =>
		Buffer.from(
			`${index === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: ${contentType}\r\nContent-Range: bytes ${from}-${to - 1}/${sizeBytes}\r\n\r\n`,
		),
	);
	const end = Buffer.from(`\r\n--${boundary}--\r\n`);
	return {
		contentType: `multipart/byteranges; boundary=${boundary}`,
		lengthBytes: ranges.reduce((sum, { from, to }, index) => sum + (heads[index]?.length ?? 0) + to - from, end.length),
		async *pieces() {
			for (const [index, range] of ranges.entries()) {
				let head = heads[index];
				for await (const piece of read(range)) {
					// Whoever leaves between the two gives the piece back all the same.
					let isHandedOn = false;
					try {
						if (head) yield ownPiece(head);
						head = undefined;
						isHandedOn = true;
						yield piece;
					} finally {
						if (!isHandedOn) piece.release();
					}
				}
			}
			yield ownPiece(end);
		},
	};
}

function ownPiece(bytes: Buffer): FilePiece {
	return { bytes, release: () => undefined };
}
