/**
 * From a find to an answer: the owner of its seal, the proof at the root of the context that is mined, the judgement of our own verifier; then on its way.
 *
 * Promises: what the verifier refuses is never sent, and the copy it came from is looked at. An answer is sent once: they wait in memory alone, and nonces
 * are drawn anew at each start.
 */
import { asPerigeeError } from '../errors.js';
import { LIMITS } from '../limits.js';
import type { LogFileStore } from '../log-layer/file-store.js';
import type { SealedSegments } from '../log-layer/sealed-segments.js';
import { verifyAnswer, type MineFind, type MineRange, type PoraAnswer } from '../native/addon.js';
import type { AnswerOutcome, MiningSettlement, MiningWork } from '../settlement/mining.js';
import { SEGMENT_SECTORS } from '../units.js';
import { wordOf } from './range.js';

export interface AnswersParts {
	readonly mining: MiningSettlement;
	readonly sealed: SealedSegments;
	readonly files: LogFileStore;
	/** 32 bytes. */
	readonly minerId: Uint8Array;
	/** What is mined now; answers for anything else are too late. */
	readonly current: () => MiningWork | undefined;
	/** The copy of a flow segment does not give the answers that it should. */
	readonly suspect: (index: bigint) => void;
	readonly ended: (outcome: AnswerOutcome) => void;
}

interface Waiting {
	readonly find: MineFind;
	readonly work: MiningWork;
	readonly range: MineRange;
}

const SEAL_SECTORS = 16n;

export class Answers {
	readonly #parts: AnswersParts;
	readonly #waiting: Waiting[] = [];
	#sending: Promise<void> | undefined;
	#isClosed = false;

	constructor(parts: AnswersParts) {
		this.#parts = parts;
	}

	/** Further finds would wait for nothing. */
	get isFull(): boolean {
		return this.#waiting.length >= LIMITS.waitingAnswers;
	}

	/** Takes a find over; what does not fit into the queue would come too late anyway. */
	offer(find: MineFind, work: MiningWork, range: MineRange): void {
		if (this.#isClosed) return;
		if (this.isFull) {
			this.#parts.ended({ kind: 'given up', reason: 'too many answers wait to be sent' });
			return;
		}
		this.#waiting.push({ find, work, range });
		this.#sending ??= this.#sendAll().finally(() => {
			this.#sending = undefined;
		});
	}

	/** Sends nothing more; waits for the one that is on its way. */
	async close(): Promise<void> {
		this.#isClosed = true;
		this.#waiting.length = 0;
		await this.#sending;
	}

	/** Never rejects. */
	async #sendAll(): Promise<void> {
		for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
			try {
				this.#parts.ended(await this.#send(next));
			} catch (error) {
				this.#parts.ended({ kind: 'given up', reason: asPerigeeError(error).message });
			}
		}
	}

	async #send(waiting: Waiting): Promise<AnswerOutcome> {
		const { mining, current } = this.#parts;
		const { digest } = waiting.work.context;
		const isLate = (): boolean => Buffer.compare(current()?.context.digest ?? new Uint8Array(0), digest) !== 0;
		if (isLate()) return { kind: 'given up', reason: 'its epoch is over' };
		const answer = await this.#answerOf(waiting);
		if ('reason' in answer) return { kind: 'given up', reason: answer.reason };
		if (isLate()) return { kind: 'given up', reason: 'its epoch is over' };
		return mining.answer(answer);
	}

	async #answerOf({ find, work, range }: Waiting): Promise<PoraAnswer | { readonly reason: string }> {
		const { mining, sealed, files, minerId, suspect } = this.#parts;
		const { recallPosition } = find;
		const index = recallPosition / BigInt(SEGMENT_SECTORS);
		const [copy] = await sealed.find([index]);
		const last = recallPosition + SEAL_SECTORS - 1n;
		const owner = await mining.sealOwner(last);
		const context = copy?.contexts.find(({ endSector }) => endSector > last);
		if (!copy || !owner || !context || Buffer.compare(context.digest, owner.digest) !== 0) {
			suspect(index);
			return { reason: 'the seal is of a context that is none any more' };
		}
		const siblings = await files.sealSiblings(recallPosition, work.context.flowLength);
		const answer: PoraAnswer = {
			contextDigest: work.context.digest,
			nonce: find.nonce,
			minerId,
			range,
			recallPosition,
			sealOffset: find.sealOffset,
			sealedContextDigest: owner.digest,
			sealedData: find.sealedData,
			merkleProof: Buffer.concat(siblings),
		};
		const { refusal } = verifyAnswer(answer, {
			contextDigest: work.context.digest,
			flowRoot: work.context.flowRoot,
			flowLength: work.context.flowLength,
			subtaskDigest: work.subtaskDigest,
			poraTarget: wordOf(work.poraTarget),
			maxShards: work.maxShards,
			sealedStart: owner.start,
			sealedEnd: owner.end,
			isFull: false,
		});
		if (refusal === undefined) return answer;
		// Whatever is wrong with it, a new one is made of the plain data.
		await sealed.foundDamaged(index);
		suspect(index);
		return { reason: `our own verifier refuses it: ${refusal}` };
	}
}
