/** The `recovered` record: what a recovery found out about a file that was open at a crash (docs/format.md §5, type 0x01). */
import { PerigeeError } from '../errors.js';
import type { ByteRange, FileVerdict, LogFileScan } from './file-scan.js';
import { FIRST_GROUP_OFFSET } from './format.js';

export const RECOVERED = 0x01;
/** More ranges than fit are merged into the last one: doubt may only grow. */
const MAX_RANGES = 4000;

export function encodeRecovered(fileNo: number, verdict: FileVerdict): Buffer {
	const ranges = mergeBeyond(verdict.doubt, MAX_RANGES);
	const ext = Buffer.alloc(12 + 16 * ranges.length);
	ext.writeUInt32LE(fileNo, 0);
	ext.writeBigUInt64LE(BigInt(verdict.end), 4);
	ranges.forEach((range, index) => {
		ext.writeBigUInt64LE(BigInt(range.from), 12 + 16 * index);
		ext.writeBigUInt64LE(BigInt(range.to), 20 + 16 * index);
	});
	return ext;
}

/** Errors: FORMAT_UNKNOWN for bytes that are no such record. */
export function decodeRecovered(bytes: Uint8Array): { readonly fileNo: number; readonly verdict: FileVerdict } {
	const ext = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	if (ext.length < 12 || (ext.length - 12) % 16 !== 0)
		throw new PerigeeError('FORMAT_UNKNOWN', `a record of type ${RECOVERED} has ${ext.length} bytes`);
	const doubt: ByteRange[] = [];
	for (let at = 12; at + 16 <= ext.length; at += 16) {
		doubt.push({ from: Number(ext.readBigUInt64LE(at)), to: Number(ext.readBigUInt64LE(at + 8)) });
	}
	return { fileNo: ext.readUInt32LE(0), verdict: { end: Number(ext.readBigUInt64LE(4)), doubt } };
}

/** What the head of a file says about earlier files of its lane. */
export async function verdictsAtHead(
	scan: LogFileScan,
): Promise<readonly { readonly fileNo: number; readonly verdict: FileVerdict }[]> {
	const verdicts: { readonly fileNo: number; readonly verdict: FileVerdict }[] = [];
	for await (const scanned of scan.groups(FIRST_GROUP_OFFSET)) {
		if (!('group' in scanned)) return verdicts;
		for (const record of scanned.group.records) {
			if (record.type !== RECOVERED) return verdicts;
			verdicts.push(decodeRecovered(record.ext));
		}
	}
	return verdicts;
}

function mergeBeyond(ranges: readonly ByteRange[], most: number): readonly ByteRange[] {
	const last = ranges.at(-1);
	const kept = ranges[most - 1];
	if (!last || !kept || ranges.length <= most) return ranges;
	return [...ranges.slice(0, most - 1), { from: kept.from, to: last.to }];
}
