/** The types that values of an official configuration have. */
import { parseListenAddress } from '../listen-address.js';

export interface OfficialType {
	/** As in "5 is not …". */
	readonly what: string;
	readonly takes: (value: unknown) => boolean;
	/** The value that a text on the command line stands for. */
	readonly ofText: (text: string) => unknown;
}

const asItIs = (text: string): string => text;

/** `most`: the largest one, if JavaScript can tell it from its neighbours. */
const whole = (most: number): OfficialType => ({
	what: `a whole number from 0 to ${most}`,
	takes: (value) => Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most,
	ofText: (text) => (/^[0-9]{1,16}$/.test(text) ? Number(text) : text),
});

export const u8 = whole(255);
export const u16 = whole(65_535);
export const u32 = whole(2 ** 32 - 1);
export const u64 = whole(Number.MAX_SAFE_INTEGER);

export const real: OfficialType = {
	what: 'a number',
	takes: (value) => typeof value === 'number' && Number.isFinite(value),
	ofText: Number,
};

export const flag: OfficialType = {
	what: 'true or false',
	takes: (value) => typeof value === 'boolean',
	ofText: (text) => ({ true: true, false: false })[text] ?? text,
};

export const text: OfficialType = { what: 'a text', takes: (value) => typeof value === 'string', ofText: asItIs };

export const texts: OfficialType = {
	what: 'a list of texts',
	takes: (value) => Array.isArray(value) && value.every((each) => typeof each === 'string'),
	ofText: (list) => list.split(','),
};

/** As in "15s", "1m 30s", "500ms". */
export const duration: OfficialType = {
	what: 'a duration, like "15s"',
	takes: (value) => typeof value === 'string' && /^ *[0-9][0-9a-zµ+. ]*$/i.test(value),
	ofText: asItIs,
};

export const address: OfficialType = {
	what: 'host:port, like 127.0.0.1:5678',
	takes: (value) => typeof value === 'string' && isAddress(value),
	ofText: asItIs,
};

/** Empty: the public listener's. */
export const addressOrNone: OfficialType = {
	...address,
	what: `${address.what}, or empty`,
	takes: (value) => value === '' || address.takes(value),
};

function isAddress(value: string): boolean {
	try {
		parseListenAddress(value);
		return true;
	} catch {
		// It says what is wrong in words of its own.
		return false;
	}
}
