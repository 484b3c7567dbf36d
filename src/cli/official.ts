/** The official command line, and what an official configuration means here, in lines that are read. */
import { OFFICIAL_FLAGS } from '../config/official/flags.js';
import type { OfficialLine } from '../config/official/read.js';
import { printable } from './printable.js';

/** Options of the flags of the official command line. */
export interface OfficialOptions {
	readonly logConfigFile?: string;
	readonly minerKey?: string;
	readonly blockchainRpcEndpoint?: string;
	readonly dbMaxNumSectors?: string;
	readonly dbMaxNumChunks?: string;
	readonly networkEnrAddress?: string;
}

/** What was given of them, by flag. */
export function officialFlagsOf(options: OfficialOptions): Readonly<Record<string, string>> {
	const given = options as Readonly<Record<string, unknown>>;
	const values: Record<string, string> = {};
	for (const name of Object.keys(OFFICIAL_FLAGS)) {
		const value = given[name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())];
		if (typeof value === 'string') values[name] = value;
	}
	return values;
}

/** The official call form has no verb: `perigee --config config.toml` starts a node. */
export function withVerb(argv: readonly string[]): readonly string[] {
	const isConfig = (word: string): boolean => /^(?:-c|--config)(?:=|$)/.test(word);
	return argv[0]?.startsWith('-') === true && argv.some(isConfig) ? ['start', ...argv] : argv;
}

/** One line for each key of a file, in the order in which they matter. Values of keys that are not used are not shown: some are secrets. */
export function textOf({ key, place, fate, becomes, remark }: OfficialLine): string {
	const what = becomes === undefined ? (remark ?? '') : `${becomes.key} = ${JSON.stringify(becomes.value)}`;
	const texts: Readonly<Record<OfficialLine['fate'], string>> = {
		honoured: `${key}: ${what}`,
		default: `${key} is not set: ${what}`,
		implied: `the file as a whole: ${what}`,
		'not used': `${key}: accepted, not used here, because ${what}`,
		'not known': `${key}: not known here`,
	};
	return printable(`${place}: ${texts[fate]}`);
}

/** The keys that do nothing. */
export function idleOf(lines: readonly OfficialLine[]): readonly OfficialLine[] {
	return lines.filter(({ fate }) => fate === 'not used' || fate === 'not known');
}
