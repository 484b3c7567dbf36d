/**
 * The real process on a real chain, killed with SIGKILL while it follows the chain, takes segments of 0G clients and pays for uploads, and while the
 * chain takes blocks back. Promised: no segment that was answered for is lost, nothing is paid for twice, and the flow is the contract's.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseEther } from 'viem';
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts';
import { fileRoot } from '../../src/native/addon.js';
import { hexOf } from '../../src/units.js';
import { chainEnvironment, startChain, type TestChain } from '../support/chain.js';
import { Prng } from '../support/prng.js';
import { result, call } from '../support/rpc.js';
import { segmentsOf, type JsonSegment } from '../support/segments.js';
import { RealNode } from './real-node.js';
import { Violation } from './violation.js';

const WITHIN_MS = 60_000;
const POLL_MS = 20;
const BLOCK_MS = 30;
/** Every how many rounds the chain takes blocks back, and at most how many. */
const REORG_EVERY = 4;
const REORG_BLOCKS = 6;
const SENDERS = 4;
const FINALIZED = 'already uploaded and finalized';
const IN_PROGRESS = 'segment has already been uploaded or is being uploaded';

export interface ChainKillOutcome {
	readonly kills: number;
	readonly reorgs: number;
	/** Calls with segments that were answered. */
	readonly answeredCalls: number;
	/** Uploads over REST that were answered, and what became of those that were not: paid for all the same, or not there. */
	readonly answeredUploads: number;
	readonly paidUnanswered: number;
	readonly submissions: number;
	readonly bytesVerified: number;
}

/** A content that comes by segments: what of it was not answered yet. */
interface Sending {
	readonly content: Uint8Array;
	readonly root: string;
	readonly left: JsonSegment[];
	/** The chain shows its submission, or has shown it. */
	isSubmitted: boolean;
}

export async function runChainKills(options: {
	readonly seed: number;
	readonly kills: number;
}): Promise<ChainKillOutcome> {
	const directory = await mkdtemp(join(tmpdir(), 'perigee-chain-kills-'));
	const chain = await startChain();
	const run = new ChainKillRun(directory, chain, new Prng(options.seed));
	try {
		return await run.run(options.kills);
	} finally {
		await run.end();
		await chain.stop();
		await rm(directory, { recursive: true, force: true });
	}
}

class ChainKillRun {
	readonly #chain: TestChain;
	readonly #prng: Prng;
	readonly #node: RealNode;
	readonly #address: string;
	readonly #key = generatePrivateKey();
	readonly #sendings: Sending[] = [];
	/** By root: an upload over REST, and whether it was answered. */
	readonly #uploads = new Map<string, { readonly content: Uint8Array; isAnswered: boolean }>();
	#server = { port: 0 };
	#answeredCalls = 0;
	#reorgs = 0;
	#bytesVerified = 0;

	constructor(directory: string, chain: TestChain, prng: Prng) {
		this.#chain = chain;
		this.#prng = prng;
		this.#address = privateKeyToAccount(this.#key).address;
		const settings = { ...chainEnvironment(chain), PERIGEE_CHAIN_KEY: this.#key };
		this.#node = new RealNode(join(directory, 'data'), settings);
	}

	async run(kills: number): Promise<ChainKillOutcome> {
		await this.#chain.client.setBalance({ address: this.#address as `0x${string}`, value: parseEther('1000') });
		await this.#chain.fill(40, 20);
		for (let round = 0; round < kills; round++) await this.#round(round);
		await this.#start();
		const mining = setInterval(() => void this.#chain.mine(1).catch(() => undefined), BLOCK_MS);
		try {
			await this.#finish();
		} finally {
			clearInterval(mining);
		}
		return {
			kills,
			reorgs: this.#reorgs,
			answeredCalls: this.#answeredCalls,
			answeredUploads: [...this.#uploads.values()].filter(({ isAnswered }) => isAnswered).length,
			paidUnanswered: await this.#checkPayments(),
			submissions: await this.#chain.submissions(),
			bytesVerified: this.#bytesVerified,
		};
	}

	end(): Promise<void> {
		return this.#node.end();
	}

	async #start(): Promise<void> {
		this.#server = { port: Number(new URL(await this.#node.start()).port) };
	}

	async #round(round: number): Promise<void> {
		await this.#start();
		const isOver = { now: false };
		for (let one = 0; one < 2; one++) {
			const content = this.#prng.bytes(1 + this.#prng.below(round % 2 === 0 ? 4_000_000 : 500_000));
			const { root, segments } = segmentsOf(content);
			this.#sendings.push({ content, root, left: [...segments], isSubmitted: false });
		}
		const senders = Array.from({ length: SENDERS }, () => this.#send(isOver));
		const uploaders = Array.from({ length: 2 }, () => this.#upload());
		await this.#moveChain(round);
		await delay(this.#prng.below(250));
		await this.#node.kill();
		isOver.now = true;
		await Promise.all([...senders, ...uploaders]);
	}

	/** Pays for contents that come by segments, fills the chain, and now and then takes blocks back. */
	async #moveChain(round: number): Promise<void> {
		if (round % REORG_EVERY === REORG_EVERY - 1) {
			await this.#chain.rollBack(1 + this.#prng.below(REORG_BLOCKS));
			this.#reorgs++;
			// What is gone from the chain is submitted again in the end.
			for (const sending of this.#sendings) sending.isSubmitted = false;
		}
		const due = this.#sendings.filter(({ isSubmitted }) => !isSubmitted).slice(-2);
		await this.#chain.submit(due.map(({ content }) => content));
		for (const sending of due) sending.isSubmitted = true;
		await this.#chain.fill(1 + this.#prng.below(30), 15);
	}

	/** Sends segments of any content, in any order, a few in a call, until the node is gone. */
	async #send(isOver: { readonly now: boolean }): Promise<void> {
		while (!isOver.now) {
			const open = this.#sendings.filter(({ left }) => left.length > 0);
			const sending = open.at(-1 - this.#prng.below(Math.max(1, open.length)));
			if (!sending) {
				await delay(5);
				continue;
			}
			const { left } = sending;
			const some = Array.from({ length: 1 + this.#prng.below(6) }, () => left[this.#prng.below(left.length)]).filter(
				(one) => one !== undefined,
			);
			const answer = await call(this.#server, 'zgs_uploadSegments', [some]).catch(() => undefined);
			// The node was killed: nobody knows what became of these.
			if (!answer) return;
			const { error } = answer;
			if (error && error.data !== FINALIZED) throw new Violation(`segments of ${sending.root}: ${error.message}`);
			this.#answeredCalls++;
			for (const segment of some) if (left.includes(segment)) left.splice(left.indexOf(segment), 1);
		}
	}

	async #upload(): Promise<void> {
		const content = this.#prng.bytes(8 + this.#prng.below(this.#prng.chance(0.3) ? 900_000 : 4000));
		const upload = { content, isAnswered: false };
		this.#uploads.set(hexOf(fileRoot(content).root), upload);
		const url = `http://127.0.0.1:${this.#server.port}/v1/upload/n?wait=0`;
		const status = await fetch(url, { method: 'PUT', body: content }).then(
			(answer) => answer.status,
			() => 0,
		);
		if (status !== 0 && status !== 202) throw new Violation(`an upload was answered with ${status}`);
		upload.isAnswered = status === 202;
	}

	/** Everything that was answered for is there in the end; only what was not is sent again. */
	async #finish(): Promise<void> {
		// Until then it may show what the chain has taken back.
		await this.#synced();
		for (const [root, { content, isAnswered }] of this.#uploads) {
			if (!isAnswered) continue;
			await this.#until(`the file ${root}`, () => this.#isFinal(root));
			await this.#read(root, content);
		}
		await this.#synced();
		for (const sending of this.#sendings) {
			const { root, content, left } = sending;
			if ((await result(this.#server, 'zgs_getFileInfo', root, true)) === null) await this.#chain.submit([content]);
			await this.#until(`the submission of ${root}`, async () => (await this.#info(root)) !== null);
			for (const segment of left) {
				const { error } = await call(this.#server, 'zgs_uploadSegment', [segment]);
				if (error && error.data !== FINALIZED && error.message !== IN_PROGRESS)
					throw new Violation(`a segment of ${root}: ${error.message}`);
			}
			await this.#until(`the file ${root}`, () => this.#isFinal(root));
			await this.#read(root, content);
		}
		await this.#synced();
	}

	/** The node's flow is the contract's. */
	async #synced(): Promise<void> {
		await this.#until('the flow of the contract', async () => {
			const submissions = await this.#chain.submissions();
			const { nextTxSeq } = (await result(this.#server, 'zgs_getStatus')) as { readonly nextTxSeq: number };
			const [root] = (await result(this.#server, 'zgs_getFlowContext')) as [string, number];
			return nextTxSeq === submissions && root === (await this.#chain.flowRootAfter(submissions - 1));
		});
	}

	/** Each content that this node pays for has one submission at most. Answers those that were paid for and never answered. */
	async #checkPayments(): Promise<number> {
		const seen = new Set<string>();
		const submissions = await this.#chain.submissions();
		for (let seq = 0; seq < submissions; seq++) {
			const info = await fetch(`http://127.0.0.1:${this.#server.port}/v1/submissions/${seq}/info`);
			const { root, submitter } = (await info.json()) as { readonly root: string; readonly submitter: string };
			if (submitter.toLowerCase() !== this.#address.toLowerCase()) continue;
			if (seen.has(root)) throw new Violation(`${root} was paid for twice`);
			seen.add(root);
		}
		let unanswered = 0;
		for (const [root, { isAnswered }] of this.#uploads) {
			if (isAnswered && !seen.has(root)) throw new Violation(`${root} was answered for and not paid`);
			if (!isAnswered && seen.has(root)) unanswered++;
		}
		return unanswered;
	}

	async #isFinal(root: string): Promise<boolean> {
		return (await this.#info(root))?.finalized === true;
	}

	async #info(root: string): Promise<{ readonly finalized: boolean } | null> {
		return (await result(this.#server, 'zgs_getFileInfo', root, true)) as { readonly finalized: boolean } | null;
	}

	async #read(root: string, content: Uint8Array): Promise<void> {
		const answer = await fetch(`http://127.0.0.1:${this.#server.port}/v1/files/${root}?verify=merkle`);
		const bytes = Buffer.from(await answer.arrayBuffer());
		if (answer.status !== 200 || !bytes.equals(content)) throw new Violation(`${root} is served with ${answer.status}`);
		this.#bytesVerified += bytes.length;
	}

	async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
		for (const endMs = performance.now() + WITHIN_MS; !(await holds()); await delay(POLL_MS))
			if (performance.now() > endMs) throw new Violation(`${what} did not come about: ${this.#node.errors}`);
	}
}
