/** `perigee top`: how a node does, again and again. */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { textOf } from '../client/request.js';
import { LIMITS } from '../limits.js';
import { CliError } from './exit-codes.js';
import { connectNode, type NodeClient, type NodeOptions } from './node-client.js';
import { type NodeState, nodeStateOf, type Scrape } from './node-state.js';
import { type OutputOptions } from './output.js';
import { printable } from './printable.js';
import { Samples } from './prometheus-text.js';
import { linesOf } from './top-lines.js';

export interface TopVerbOptions extends NodeOptions, OutputOptions {
	readonly once?: boolean;
	/** Seconds between two refreshes. */
	readonly interval?: string;
}

const [ENTER, LEAVE, HOME, CLEAR_LINE, CLEAR_REST] = [
	'\x1b[?1049h\x1b[?25l',
	'\x1b[?25h\x1b[?1049l',
	'\x1b[H',
	'\x1b[K',
	'\x1b[J',
];

/**
 * Shows the node's state until it is stopped: on a terminal in place, else as text, or with `--json` one line of JSON a refresh. Errors: unreachable
 * when the node does not answer; on a terminal only at the beginning, later it waits for the node to come back.
 */
export async function top(options: TopVerbOptions): Promise<void> {
	const intervalMs = intervalOf(options) * 1000;
	const isLive = options.json !== true && options.once !== true && process.stdout.isTTY;
	const client = connectNode(options);
	const stopping = new AbortController();
	const stop = (): void => stopping.abort();
	process.on('SIGINT', stop);
	process.on('SIGTERM', stop);
	if (isLive) process.stdout.write(ENTER);
	try {
		let before = await scrapeOf(client);
		while (await isTimeUp(intervalMs, stopping.signal)) {
			const after = await scrapeOf(client).catch((error: unknown) => {
				if (!isLive) throw error;
				return error as Error;
			});
			if (after instanceof Error) {
				await show([printable(after.message)], true);
				continue;
			}
			const state = nodeStateOf(client.url.origin, before, after);
			await show(options.json === true ? [JSON.stringify(state)] : shownLines(state, isLive), isLive);
			if (options.once === true) return;
			before = after;
		}
	} finally {
		if (isLive) process.stdout.write(LEAVE);
		process.off('SIGINT', stop);
		process.off('SIGTERM', stop);
		client.close();
	}
}

/** Errors: usage. */
function intervalOf({ interval = '1' }: TopVerbOptions): number {
	const seconds = Number(interval);
	if (Number.isSafeInteger(seconds) && seconds >= 1 && seconds <= 3600) return seconds;
	throw new CliError('usage', `"${interval}" is no number of seconds`, {
		hint: 'Write a whole number from 1 to 3600.',
	});
}

/** False when the wait was ended by a signal. */
async function isTimeUp(ms: number, signal: AbortSignal): Promise<boolean> {
	await delay(ms, undefined, { signal }).catch(() => undefined);
	return !signal.aborted;
}

async function scrapeOf(client: NodeClient): Promise<Scrape> {
	const text = await textOf(await client.requests.ask('/metrics'), undefined, LIMITS.clientMetricsBytes);
	const atMs = Date.now();
	return { samples: new Samples(text), health: await client.api.ready(), atMs };
}

/** Of a live view no more than fits; of text a blank line behind each refresh. */
function shownLines(state: NodeState, isLive: boolean): string[] {
	const lines = linesOf(state);
	if (!isLive) return [...lines, ''];
	// Some terminals tell no size.
	const [columns, rows] = [process.stdout.columns || 80, process.stdout.rows || 24];
	return lines.slice(0, rows - 1).map((line) => line.slice(0, columns - 1));
}

async function show(lines: readonly string[], isLive: boolean): Promise<void> {
	const text = isLive
		? `${HOME}${lines.map((line) => `${line}${CLEAR_LINE}\n`).join('')}${CLEAR_REST}`
		: `${lines.join('\n')}\n`;
	if (!process.stdout.write(text)) await once(process.stdout, 'drain');
}
