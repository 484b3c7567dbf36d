/** Refusals that are about settings: they get the places (file and line, variable, flag) where these were set. */
import { PerigeeError } from '../errors.js';
import type { SettingValue } from './schema.js';

/** A setting as it is in force. */
export interface EffectiveSetting {
	readonly key: string;
	readonly value: SettingValue;
	/** `default`, `<file>:<line>`, or the name of the variable or flag. */
	readonly from: string;
}

interface SettingRefusal extends PerigeeError {
	/** Dotted keys. */
	readonly settings?: readonly string[];
}

/** CONFIG_INVALID because of what some settings say, by their dotted keys. */
export function refusal(settings: readonly string[], message: string, options?: ErrorOptions): PerigeeError {
	return Object.assign(new PerigeeError('CONFIG_INVALID', message, options), { settings });
}

/** Runs something that, if it fails with a code, fails because of these settings; unless it says itself of which. */
export async function about<T>(settings: readonly string[], run: () => Promise<T>): Promise<T> {
	try {
		return await run();
	} catch (error) {
		throw error instanceof PerigeeError && !('settings' in error) ? Object.assign(error, { settings }) : error;
	}
}

/** The same refusal with the places in front of its text, where the settings that it is about are not the defaults. */
export function placed(error: SettingRefusal, inForce: readonly EffectiveSetting[]): PerigeeError {
	const { settings = [], code, message } = error;
	const places = inForce
		.filter(({ key, from }) => settings.includes(key) && from !== 'default')
		.map(({ from }) => from);
	return places.length === 0
		? error
		: new PerigeeError(code, `${[...new Set(places)].join(', ')}: ${message}`, { cause: error });
}
