/** `perigee upload <file…>`: sends files and directories, and checks that the node computed the same data roots. */
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { CliError } from './exit-codes.js';
import { sizeOfFile } from './local-file.js';
import type { UploadResult } from '../client/upload.js';
import { connectNode, type NodeOptions } from './node-client.js';
import { printResult } from './output.js';
import { printable } from './printable.js';
import type { PayOptions } from './pay.js';
import { startProgress } from './progress.js';
import { sendFile, type Target } from './send-file.js';
import { uploadDirectory } from './upload-directory.js';
import { UploadNotes } from './upload-notes.js';

export interface UploadVerbOptions extends NodeOptions, PayOptions {
	/** Name under which the file is stored; only for one file. */
	readonly name?: string;
	/** Media type of all files. */
	readonly type?: string;
}

type Pending = NonNullable<UploadResult['pending']>;

/** Sends each file in turn and prints its data root; ends at the first failure. `-` is standard input. */
export async function upload(files: readonly string[], options: UploadVerbOptions): Promise<void> {
	if (options.name !== undefined && files.length > 1) {
		throw new CliError('usage', '--name goes with one file', { hint: 'Upload the files one by one.' });
	}
	const payer = isPaying(options) ? await (await import('./pay.js')).ChainPayer.from(options) : undefined;
	const client = connectNode(options);
	const pay = async (results: readonly UploadResult[]) => (await payer?.pay(results, client)) ?? results;
	const target = { client, notes: new UploadNotes(client.name, options), pay };
	try {
		for (const file of files) {
			const isDirectory = file !== '-' && (await stat(file)).isDirectory();
			const answer = await (isDirectory ? uploadDirectory : uploadOne)(target, file, options);
			printResult(options, answer, `${answer.root}  ${file}`);
			if (options.json !== true && answer.pending) process.stderr.write(`${pendingText(answer.pending)}\n`);
		}
	} finally {
		client.close();
	}
}

function isPaying({ rpc, keyFile }: UploadVerbOptions): boolean {
	return rpc !== undefined || keyFile !== undefined;
}

/** What a file waits for that the node has, and the chain does not. */
function pendingText({ state, fee = 'not told now', flow, chainId, transaction = '', trouble }: Pending): string {
	const because = trouble === undefined ? '' : ` (${printable(trouble)})`;
	if (state === 'unpaid')
		return `perigee: it is a file once somebody submits it to ${flow} on chain ${chainId}, fee ${fee} wei; perigee upload --rpc <endpoint> --key-file <file> pays`;
	if (state === 'sent') return `perigee: it is a file once the chain shows transaction ${transaction}${because}`;
	return `perigee: it is a file once the node has paid for it${because}`;
}

async function uploadOne(target: Target, file: string, options: UploadVerbOptions): Promise<UploadResult> {
	const isInput = file === '-';
	// Pipes have no size.
	const sizeBytes = isInput ? undefined : (await sizeOfFile(file)) || undefined;
	const name = options.name ?? (isInput ? '' : basename(file));
	const progress = await startProgress(options, file, sizeBytes);
	try {
		const { type } = options;
		const sent = await sendFile(target, { source: file, label: file, name, type, sizeBytes, onSent: progress.add });
		const [paid = sent] = await target.pay([sent]);
		return paid;
	} finally {
		progress.stop();
	}
}
