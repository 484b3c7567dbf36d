/**
 * Tar archives (POSIX ustar with pax headers) as they are written here: no owners, no times, so that the same content makes the same archive.
 * Written by hand, since the length of an archive is told before it is sent, and since the buffers of its pieces go back to the store when
 * the socket has taken them; a library that keeps them in a stream of its own tells neither.
 */

/** Everything in a tar stands in blocks of so many bytes. */
const BLOCK_BYTES = 512;
/** Two empty blocks end an archive. */
export const TAR_END = Buffer.alloc(2 * BLOCK_BYTES);
const NAME_BYTES = 100;
/** What eleven octal digits can say. */
const LARGEST_PLAIN_SIZE = 0o77777777777;

const KINDS = {
	file: { flag: '0', mode: '0000644' },
	link: { flag: '2', mode: '0000777' },
	directory: { flag: '5', mode: '0000755' },
	pax: { flag: 'x', mode: '0000644' },
} as const;

export interface TarEntry {
	readonly kind: 'file' | 'link' | 'directory';
	/** Path with `/` between names, none at its end. */
	readonly path: string;
	/** Bytes of a file; 0 for everything else. */
	readonly sizeBytes: number;
	/** Target of a link. */
	readonly link?: string;
}

/** The head of an entry: one block, or several where a pax header tells what has no room in it. */
export function tarHead({ kind, path, sizeBytes, link = '' }: TarEntry): Buffer {
	const name = Buffer.from(kind === 'directory' ? `${path}/` : path);
	const target = Buffer.from(link);
	const records = [
		...(isPlain(name) ? [] : [paxRecord('path', name)]),
		...(isPlain(target) ? [] : [paxRecord('linkpath', target)]),
		...(sizeBytes > LARGEST_PLAIN_SIZE ? [paxRecord('size', Buffer.from(String(sizeBytes)))] : []),
	];
	const block = headerBlock(kind, name, sizeBytes > LARGEST_PLAIN_SIZE ? 0 : sizeBytes, target);
	if (records.length === 0) return block;
	const body = Buffer.concat(records);
	return Buffer.concat([
		headerBlock('pax', Buffer.from('pax'), body.length, target.subarray(0, 0)),
		body,
		tarPadding(body.length),
		block,
	]);
}

/** Zeros that fill the last block of so many bytes. */
export function tarPadding(sizeBytes: number): Buffer {
	return TAR_END.subarray(0, (BLOCK_BYTES - (sizeBytes % BLOCK_BYTES)) % BLOCK_BYTES);
}

/** Whether every reader takes the text from a field of a plain header. */
function isPlain(text: Buffer): boolean {
	if (text.length > NAME_BYTES) return false;
	for (const byte of text) if (byte >= 0x80) return false;
	return true;
}

/** `length key=value`, the length counting its own digits. */
function paxRecord(key: string, value: Buffer): Buffer {
	const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from('\n')]);
	let digits = String(rest.length);
	digits = String(rest.length + digits.length);
	digits = String(rest.length + digits.length);
	return Buffer.concat([Buffer.from(digits), rest]);
}

function headerBlock(kind: keyof typeof KINDS, name: Buffer, sizeBytes: number, link: Buffer): Buffer {
	const { flag, mode } = KINDS[kind];
	const block = Buffer.alloc(BLOCK_BYTES);
	name.copy(block, 0, 0, NAME_BYTES);
	block.write(mode, 100);
	block.write('0000000', 108);
	block.write('0000000', 116);
	block.write(sizeBytes.toString(8).padStart(11, '0'), 124);
	block.write('00000000000', 136);
	// The checksum counts its own field as spaces.
	block.write(' '.repeat(8), 148);
	block.write(flag, 156);
	link.copy(block, 157, 0, NAME_BYTES);
	block.write('ustar\u000000', 257);
	let sum = 0;
	for (let at = 0; at < BLOCK_BYTES; at++) sum += block[at] as number;
	block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
	return block;
}
