/**
 * Clients that pay first and then send segments with proofs, in any order, over crashes. Promised: what was answered is there, and with the last
 * segment the content is.
 */
import { PerigeeError } from '../../src/errors.js';
import type { ProvedSegment } from '../../src/log-layer/proved-segment.js';
import type { Store } from '../../src/log-layer/store.js';
import { fileRoot } from '../../src/native/addon.js';
import { SEGMENT_BYTES, type TxSeq } from '../../src/units.js';
import { placedSubmission } from '../support/placed.js';
import type { Prng } from '../support/prng.js';
import { provedSegmentsOf } from '../support/segments.js';
import { makeContent, type Content, type Oracle } from './oracle.js';
import type { SimulatedMachine } from './simulated-machine.js';
import { untilStalled } from './until-stalled.js';
import { Violation } from './violation.js';

/** A submitted content on its way, as its client knows it. */
export interface SentSegments {
	readonly content: Content;
	readonly txSeq: TxSeq;
	readonly name: string;
	readonly answered: ReadonlySet<number>;
	readonly isStored: boolean;
	/** A client works on it. */
	isBusy: boolean;
}

const OPEN_MOST = 3;
const OPTIONS = { isSubmitted: true, skipRepeated: true };

/** One call with a few segments of a content, or of a new one. */
export async function sendSegments(machine: SimulatedMachine, store: Store, oracle: Oracle, prng: Prng): Promise<void> {
	if (store.losses.files.length + store.losses.volumes.length > 0) return;
	const open = [...oracle.segmented.values()].filter(({ isStored, isBusy }) => !isStored && !isBusy);
	const known = open.length > 0 && (open.length >= OPEN_MOST || prng.chance(0.7)) ? prng.pick(open) : undefined;
	const sending = known ?? (await submit(machine, store, oracle, prng));
	if (!sending) return;
	sending.isBusy = true;
	try {
		const count = segmentCount(sending.content);
		const chosen = Array.from({ length: 1 + prng.below(3) }, () => prng.below(count));
		await send(machine, store, oracle, sending, chosen);
	} finally {
		sending.isBusy = false;
	}
}

/** Everything that was answered is there. */
export async function verifySegments(store: Store, oracle: Oracle): Promise<void> {
	for (const { content, txSeq, answered, isStored } of oracle.segmented.values()) {
		if (isStored || (await store.files.fileBySeq(txSeq))?.finalized) continue;
		const { bytes, root } = content;
		for (const index of answered) {
			const from = index * SEGMENT_BYTES;
			const to = Math.min(bytes.length, from + SEGMENT_BYTES);
			const found = await store.files.segmentUploads.read(root, bytes.length, from, to);
			if (!found) throw new Violation(`segment ${index} of ${root} was answered for and is not there`);
			if (!bytes.subarray(from, to).equals(found)) throw new Violation(`segment ${index} of ${root} has other bytes`);
		}
	}
}

/** Clients send what was not answered for; then the content is there. */
export async function finishSegments(machine: SimulatedMachine, store: Store, oracle: Oracle): Promise<void> {
	for (const sending of [...oracle.segmented.values()].filter(({ isStored }) => !isStored)) {
		const left = Array.from({ length: segmentCount(sending.content) }, (_, index) => index);
		const missing = left.filter((index) => !sending.answered.has(index));
		// One that was answered for does no harm; it closes what a crash has left open.
		await send(machine, store, oracle, sending, missing.length > 0 ? missing : [0]);
		const file = await store.files.fileBySeq(sending.txSeq);
		if (!file?.finalized && !machine.io.crashed)
			throw new Violation(`${sending.content.root} was sent whole and is not finalized`);
	}
}

async function submit(
	machine: SimulatedMachine,
	store: Store,
	oracle: Oracle,
	prng: Prng,
): Promise<SentSegments | undefined> {
	const sizeBytes = prng.chance(0.2)
		? 1 + prng.below(SEGMENT_BYTES)
		: SEGMENT_BYTES + 1 + prng.below(4 * SEGMENT_BYTES);
	const content = makeContent(prng, sizeBytes);
	const name = oracle.newName(prng);
	oracle.submitted(content, name);
	const operation = oracle.states.begin(content.root, 'pruned');
	const { nodes } = fileRoot(content.bytes);
	const submission = {
		lengthBytes: BigInt(sizeBytes),
		tags: new Uint8Array(0),
		nodes,
		submitter: new Uint8Array(20).fill(7),
	};
	const submitting = store.settlement.submit(submission, { name, contentType: 'text/plain' });
	// Where the view waits for room nobody knows what becomes of it.
	const isDone = await untilStalled(store, submitting);
	if (!isDone || machine.io.crashed) return undefined;
	const { txSeq } = placedSubmission(await submitting);
	oracle.states.answered(operation);
	const sending = { content, txSeq, name, answered: new Set<number>(), isStored: false, isBusy: false };
	oracle.segmented.set(content.root, sending);
	return sending;
}

async function send(
	machine: SimulatedMachine,
	store: Store,
	oracle: Oracle,
	{ content, txSeq, name }: SentSegments,
	indexes: readonly number[],
): Promise<void> {
	const { root } = content;
	const all = provedSegmentsOf(content.bytes);
	const chosen = indexes.map((index) => all[index] as ProvedSegment);
	// What came before a crash and was not answered may make it whole.
	const operation = oracle.states.begin(root, 'held');
	try {
		await store.files.segmentUploads.put(chosen, OPTIONS);
	} catch (error) {
		const isEarly = error instanceof PerigeeError && error.code === 'SHUTTING_DOWN';
		if (isEarly && !machine.io.crashed) oracle.states.withoutEffect(operation);
		throw error;
	}
	if (machine.io.crashed) return;
	const current = oracle.segmented.get(root);
	if (!current) return;
	const answered = new Set([...current.answered, ...indexes]);
	const isStored = (await store.files.fileBySeq(txSeq))?.finalized === true;
	if (machine.io.crashed) return;
	if (answered.size === segmentCount(content) && !isStored)
		throw new Violation(`all segments of ${root} were answered for, and it is not finalized`);
	oracle.segmented.set(root, { ...current, answered, isStored });
	if (!isStored) {
		oracle.states.withoutEffect(operation);
		return;
	}
	oracle.states.answered(operation);
	oracle.begun(content, name);
	oracle.answered({ content, txSeq, name, existed: false });
}

function segmentCount({ bytes }: Content): number {
	return Math.ceil(bytes.length / SEGMENT_BYTES);
}
