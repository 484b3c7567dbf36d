/** `perigee errors list`: what a running node knows to be damaged. */
import type { Static } from 'typebox';
import type { DAMAGE_PAGE } from '../api/admin/definitions.js';
import { LIMITS } from '../limits.js';
import { type AdminOptions, connectAdmin } from './node-client.js';
import { type OutputOptions, printResult } from './output.js';
import { printable } from './printable.js';

export interface ErrorsVerbOptions extends AdminOptions, OutputOptions {}

type Page = Static<typeof DAMAGE_PAGE>;

/** Prints one line for each damaged place. */
export async function listErrors(options: ErrorsVerbOptions): Promise<void> {
	const client = connectAdmin(options);
	try {
		let after: number | undefined = 0;
		while (after !== undefined) {
			const page: Page = await client.requests.json<Page>(
				`/v1/admin/errors?after=${after}&limit=${LIMITS.damagePageEntries}`,
			);
			for (const entry of page.errors) printResult(options, entry, printable(textOf(entry)));
			after = page.next;
		}
	} finally {
		client.close();
	}
}

function textOf({ reason, root, segment, lane, file, from, to, foundBy, foundAt }: Page['errors'][number]): string {
	const what = root === undefined ? `log ${from}..${to ?? ''}` : `${root} segment ${segment ?? 0}`;
	return `${what}: ${reason}, in ${lane} ${file} at ${from}, found by ${foundBy} ${foundAt}`;
}
