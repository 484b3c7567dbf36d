/** What a verb answers to the shell. docs/cli.md is held equal to this table by a test. */
export const EXIT_CODES = {
	ok: { code: 0, meaning: 'Done.' },
	failure: { code: 1, meaning: 'Something failed that has no code of its own; the text says what.' },
	usage: { code: 2, meaning: 'The command line or the configuration cannot be used.' },
	notFound: {
		code: 3,
		meaning: 'The node knows nothing under this name, or does not hold its data; a local file does not exist.',
	},
	verification: { code: 4, meaning: 'The content does not have the data root it should have; nothing of it was kept.' },
	unreachable: { code: 5, meaning: 'No node answers at this address, or it broke off.' },
	refused: { code: 6, meaning: 'The node refused the request; sending it again does not help.' },
	busy: { code: 7, meaning: 'The node cannot do it now (busy, stopping, disk full); try again later.' },
} as const;

export type ExitName = keyof typeof EXIT_CODES;

/** A failure that the command line tells in one line, with a hint in a second one, and an exit code. */
export class CliError extends Error {
	readonly exit: ExitName;
	readonly hint: string | undefined;
	/** Code of src/errors.ts when a node sent one. */
	readonly code: string | undefined;

	constructor(exit: ExitName, message: string, details: { readonly hint?: string; readonly code?: string } = {}) {
		super(message);
		this.name = 'CliError';
		this.exit = exit;
		this.hint = details.hint;
		this.code = details.code;
	}
}
