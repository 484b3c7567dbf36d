/** `perigee info <root|txSeq>`: what the node knows about a file. */
import { CliError } from './exit-codes.js';
import { rootArgument } from './local-file.js';
import { connectNode, type NodeOptions } from './node-client.js';
import { type OutputOptions, printResult } from './output.js';
import { printable } from './printable.js';

export interface InfoVerbOptions extends NodeOptions, OutputOptions {}

/** Prints the answer of `…/info`, as JSON or one `key: value` a line. */
export async function info(what: string, options: InfoVerbOptions): Promise<void> {
	const file = /^[0-9]{1,15}$/.test(what) ? Number(what) : rootOrSequence(what);
	const client = connectNode(options);
	try {
		const answer = typeof file === 'number' ? await client.api.submission(file) : await client.api.info(file);
		const lines = Object.entries(answer).map(([key, value]) => `${key}: ${shown(value)}`);
		printResult(options, answer, lines.join('\n'));
	} finally {
		client.close();
	}
}

function rootOrSequence(what: string): string {
	if (what.startsWith('0x') || what.startsWith('0X')) return rootArgument(what);
	throw new CliError('usage', `"${what}" is neither a data root nor a sequence number`, {
		hint: 'A data root is 0x and 64 hexadecimal digits; a sequence number is a whole number from 0.',
	});
}

function shown(value: unknown): string {
	return printable(typeof value === 'string' ? value : JSON.stringify(value));
}
