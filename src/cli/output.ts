/** Manners of all verbs: results on standard output, everything else on standard error, JSON where it was asked for. */
import { PerigeeError, ERRORS } from '../errors.js';
import { CliError, EXIT_CODES } from './exit-codes.js';
import { asCliFailure } from './request-failure.js';

export interface OutputOptions {
	readonly json?: boolean;
	readonly quiet?: boolean;
}

/** Prints a result: one line of JSON, or the text. */
export function printResult(options: OutputOptions, value: unknown, text: string): void {
	process.stdout.write(`${options.json === true ? JSON.stringify(value) : text}\n`);
}

/** Tells what failed and answers the exit code. */
export function reportFailure(error: unknown, json: boolean): number {
	const failure = asCliError(asCliFailure(error));
	const { code: exitCode } = EXIT_CODES[failure.exit];
	if (json) {
		const { message, hint, code } = failure;
		process.stderr.write(`${JSON.stringify({ error: { message, hint, code, exitCode } })}\n`);
	} else {
		process.stderr.write(`perigee: ${failure.message}\n`);
		if (failure.hint !== undefined) process.stderr.write(`  hint: ${failure.hint}\n`);
		if (failure.code !== undefined) process.stderr.write(`  code: ${failure.code}\n`);
	}
	return exitCode;
}

function asCliError(error: unknown): CliError {
	if (error instanceof CliError) return error;
	if (error instanceof PerigeeError) {
		const exit = error.code === 'CONFIG_INVALID' ? 'usage' : 'failure';
		return new CliError(exit, error.message, { hint: ERRORS[error.code].hint, code: error.code });
	}
	const { code, path, message } = error as NodeJS.ErrnoException;
	if (path !== undefined) {
		if (code === 'ENOENT') return new CliError('notFound', `${path}: no such file`);
		if (code === 'EISDIR')
			return new CliError('usage', `${path}: is a directory`, { hint: 'Name files, not directories.' });
		if (code === 'ENAMETOOLONG')
			return new CliError('usage', `${path}: the name is too long for this file system`, {
				hint: 'Choose a shorter name; download takes it with -o.',
			});
		if (code === 'EACCES') return new CliError('failure', `${path}: permission denied`);
		if (code === 'ENOSPC') return new CliError('failure', `${path}: no space left on the disk`);
	}
	return new CliError('failure', error instanceof Error ? message : String(error));
}
