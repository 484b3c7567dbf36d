/** Small files of state: one line of JSON, and one line with the CRC-32C over the first line's bytes and its newline. */
import { crc32c } from '../native/addon.js';

export function sealJson(fields: object): Buffer {
	const line = Buffer.from(`${JSON.stringify(fields)}\n`);
	return Buffer.concat([line, Buffer.from(checksumLine(line))]);
}

/** What was sealed; undefined when the bytes are not as they were written. The checksum fits only what some version of this program wrote. */
export function openSealedJson(bytes: Buffer): unknown {
	const end = bytes.indexOf('\n') + 1;
	const line = bytes.subarray(0, end);
	return bytes.subarray(end).toString() === checksumLine(line) ? JSON.parse(line.toString()) : undefined;
}

function checksumLine(line: Buffer): string {
	return `crc32c=${crc32c(line).toString(16).padStart(8, '0')}\n`;
}
