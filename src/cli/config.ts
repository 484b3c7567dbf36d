/** `perigee config check`, `print` and `explain`: the configuration that a start would take, and what an official one means here. */
import type { EffectiveSetting } from '../config/refusal.js';
import { CliError } from './exit-codes.js';
import { textOf } from './official.js';
import { printResult } from './output.js';
import { loadedConfigOf, type StartVerbOptions, withPlaces } from './start.js';

export type ConfigAction = 'check' | 'print' | 'explain';

/** Errors: CONFIG_INVALID, with the place and the reason; of `check` also what a start would refuse by files, directories and addresses. */
export async function config(action: ConfigAction, file: string | undefined, options: StartVerbOptions): Promise<void> {
	const loaded = loadedConfigOf(file === undefined ? options : { ...options, config: file });
	const { settings, official } = loaded;
	if (action === 'explain') {
		if (official === undefined)
			throw new CliError('usage', 'explain takes the configuration of a 0G storage node', {
				hint: 'perigee config print shows what settings of Perigee come to.',
			});
		printResult(options, { lines: official }, official.map(textOf).join('\n'));
		return;
	}
	if (action === 'print') {
		printResult(options, { settings }, tomlOf(settings));
		return;
	}
	const { checkConfig } = await import('../node.js');
	await withPlaces(loaded, () => checkConfig(loaded.config));
	const changed = settings.filter(({ from }) => from !== 'default').length;
	printResult(
		options,
		{ ok: true, settings: settings.length, changed },
		`ok: ${settings.length} settings, ${changed} of them set`,
	);
}

/** A file that would say the same; behind each setting where it comes from. */
function tomlOf(settings: readonly EffectiveSetting[]): string {
	const lines: string[] = [];
	let section = '';
	// What stands in no section must stand first.
	const isInSection = ({ key }: EffectiveSetting): boolean => key.includes('.');
	for (const setting of [...settings.filter((each) => !isInSection(each)), ...settings.filter(isInSection)]) {
		const { key, value, from } = setting;
		const at = key.lastIndexOf('.');
		if (at >= 0 && key.slice(0, at) !== section) {
			section = key.slice(0, at);
			lines.push('', `[${section}]`);
		}
		// JSON's texts, numbers and lists of texts are TOML's too.
		lines.push(`${key.slice(at + 1)} = ${JSON.stringify(value)} # ${from}`);
	}
	return lines.join('\n');
}
