/** Inputs for targets: anything, and right ones with a few changes. */
import fc from 'fast-check';
import { PerigeeError } from '../../src/errors.js';
import type { DataRoot, Lsn } from '../../src/units.js';

export const ROOT = `0x${'5a'.repeat(32)}` as DataRoot;
/** Where a sample of a row points to. */
export const PLACE = {
	lane: 'small',
	fileNo: 2,
	offset: 4608,
	lengthBytes: 300,
	blockCrcs: Buffer.alloc(4),
	origin: 5n as Lsn,
} as const;

export interface FuzzTarget {
	readonly name: string;
	/** Tries one input. Throws for a finding. */
	readonly property: fc.IProperty<[never]> | fc.IProperty<[string]> | fc.IProperty<[Buffer]> | fc.IProperty<[number]>;
}

/** Refusals with a code are what is promised. */
function refusable(read: () => void): void {
	try {
		read();
	} catch (error) {
		if (!(error instanceof PerigeeError)) throw error;
	}
}

/** One number says it all: kind (2 bits), value (8 bits) and place (a share of the length, 20 bits). Records of generators take twice the time. */
const edit = fc.nat(0x3fff_ffff);

function edited(bytes: Buffer, edits: readonly number[]): Buffer {
	return edits.reduce((before, number) => {
		const value = (number >>> 2) & 0xff;
		const place = Math.floor(((number >>> 10) / 0x10_0000) * before.length);
		const [head, tail] = [before.subarray(0, place), before.subarray(place)];
		switch (number & 3) {
			case 0:
				return Buffer.concat([head, Buffer.of(value), tail.subarray(1)]);
			case 1:
				return Buffer.concat([head, Buffer.of(value), tail]);
			case 2:
				return Buffer.concat([head, tail.subarray(value % 9)]);
			default:
				return Buffer.concat([head, tail.subarray(0, value), tail]);
		}
	}, bytes);
}

/** Anything, or something right with a few changes: most of what matters lies near to what is right. */
function near(samples: readonly Buffer[]): fc.Arbitrary<Buffer> {
	const changed = fc
		.tuple(fc.constantFrom(...samples), fc.array(edit, { maxLength: 6 }))
		.map(([sample, edits]) => edited(Buffer.from(sample), edits));
	return fc.oneof(
		{ weight: 4, arbitrary: changed },
		{ weight: 1, arbitrary: fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes)) },
	);
}

/** A target that reads bytes. */
export function bytes(name: string, samples: readonly Uint8Array[], read: (input: Buffer) => void): FuzzTarget {
	const inputs = near(samples.map((sample) => Buffer.from(sample)));
	return { name, property: fc.property(inputs, (input) => refusable(() => read(input))) };
}

/** A target that reads a text as it comes over HTTP. */
export function text(name: string, samples: readonly string[], read: (input: string) => void): FuzzTarget {
	const changed = near(samples.map((sample) => Buffer.from(sample))).map((input) => input.toString('latin1'));
	// What comes over HTTP are bytes, which Node hands on as Latin-1.
	const any = fc.uint8Array({ maxLength: 100 }).map((input) => Buffer.from(input).toString('latin1'));
	const inputs = fc.oneof({ weight: 3, arbitrary: changed }, { weight: 1, arbitrary: any });
	return { name, property: fc.property(inputs, (input) => refusable(() => read(input))) };
}
