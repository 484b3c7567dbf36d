/** What clients do to a store while it runs: seeded, several at once. */
import { type ErrorCode, PerigeeError } from '../../src/errors.js';
import type { Store } from '../../src/log-layer/store.js';
import { SEGMENT_BYTES } from '../../src/units.js';
import { storedUpload } from '../support/placed.js';
import type { Prng } from '../support/prng.js';
import type { OperationToken } from './content-states.js';
import { PlaceMap } from './place-map.js';
import { makeContent, type Content, type Oracle } from './oracle.js';
import { resume } from './resumables.js';
import { sealSomething } from './sealing.js';
import { sendSegments } from './segments.js';
import type { SimulatedMachine } from './simulated-machine.js';
import { untilStalled } from './until-stalled.js';
import { checkFile } from './verify.js';
import { Violation } from './violation.js';

export interface WorkloadOptions {
	readonly clients: number;
	/** Operations of each client. */
	readonly operations: number;
	/** Refusals that the faults of this run explain. */
	readonly allowed: ReadonlySet<ErrorCode>;
}

const SMALL_SIZES = [1, 255, 256, 257, 4095, 4096, 4097, 20_000, SEGMENT_BYTES] as const;

/** Runs all clients to their end. Throws a Violation when the store answers something it must not. */
export async function runClients(
	machine: SimulatedMachine,
	store: Store,
	oracle: Oracle,
	prng: Prng,
	options: WorkloadOptions,
): Promise<void> {
	const clients: Promise<void>[] = [];
	for (let client = 0; client < options.clients; client++)
		clients.push(runClient(machine, store, oracle, prng.fork(), options));
	await Promise.all(clients);
}

async function runClient(
	machine: SimulatedMachine,
	store: Store,
	oracle: Oracle,
	prng: Prng,
	options: WorkloadOptions,
): Promise<void> {
	const { io } = machine;
	for (let left = options.operations; left > 0 && !io.crashed; left--) {
		try {
			await runOperation(machine, store, oracle, prng);
		} catch (error) {
			// What a process hears after it has stopped is no answer to anyone.
			if (io.crashed) return;
			if (!isAllowed(error, options.allowed)) throw error;
		}
	}
}

/** A refusal that the run's faults explain, also as the reason why a check could not read. */
function isAllowed(error: unknown, allowed: ReadonlySet<ErrorCode>): boolean {
	const reason = error instanceof Violation ? error.cause : error;
	return reason instanceof PerigeeError && allowed.has(reason.code);
}

async function runOperation(machine: SimulatedMachine, store: Store, oracle: Oracle, prng: Prng): Promise<void> {
	const dice = prng.below(100);
	if (dice < 40) return upload(machine, store, oracle, prng, makeContent(prng, smallSize(prng)));
	if (dice < 46) return resume(machine, store, oracle, prng);
	if (dice < 51) return sendSegments(machine, store, oracle, prng);
	if (dice < 59)
		return upload(machine, store, oracle, prng, makeContent(prng, SEGMENT_BYTES + 1 + prng.below(4 * SEGMENT_BYTES)));
	if (dice < 76) return upload(machine, store, oracle, prng, oracle.anyContent(prng) ?? makeContent(prng, 1000));
	if (dice < 82) return breakOff(store, prng);
	if (dice < 89) return remove(machine, store, oracle, prng);
	if (dice < 90) return readBack(machine, store, oracle, prng);
	if (dice < 93) return sealSomething(machine, store, oracle, prng);
	if (dice < 95) return checkpoint(machine, store);
	if (dice < 98) return compact(machine, store, prng.chance(0.7));
	machine.clock.advance(prng.chance(0.3) ? 31 * 60_000 : 700);
}

function smallSize(prng: Prng): number {
	return prng.chance(0.3) ? prng.pick(SMALL_SIZES) : 1 + prng.below(9000);
}

/** One upload; what is answered goes to the oracle. */
export async function upload(
	machine: SimulatedMachine,
	store: Store,
	oracle: Oracle,
	prng: Prng,
	content: Content,
): Promise<void> {
	const name = oracle.newName(prng);
	const isAnnounced = prng.chance(0.7);
	const session = store.files.beginUpload({
		name,
		contentType: 'text/plain',
		...(isAnnounced ? { announcedBytes: content.bytes.length } : {}),
	});
	oracle.begun(content, name);
	const operation = oracle.states.begin(content.root, 'held');
	try {
		const chunkBytes = content.bytes.length > SEGMENT_BYTES ? 65_536 : 1 + prng.below(9000);
		for (let at = 0; at < content.bytes.length; at += chunkBytes)
			await session.write(content.bytes.subarray(at, at + chunkBytes));
		const result = storedUpload(await session.finish());
		if (machine.io.crashed) return;
		if (result.root !== content.root || result.sizeBytes !== content.bytes.length)
			throw new Violation(`${content.root} was answered as ${result.root}`);
		oracle.states.answered(operation);
		oracle.answered({ content, txSeq: result.txSeq, name, existed: result.existed });
	} catch (error) {
		await session.abort();
		throw error;
	}
}

async function breakOff(store: Store, prng: Prng): Promise<void> {
	const session = store.files.beginUpload({ name: 'broken off', contentType: '' });
	const { bytes } = makeContent(prng, prng.chance(0.5) ? 500 : 3 * SEGMENT_BYTES);
	for (let at = 0; at < bytes.length; at += 65_536) await session.write(bytes.subarray(at, at + 65_536));
	await session.abort();
}

/** Deletes a file, or drops some of its segments. */
async function remove(machine: SimulatedMachine, store: Store, oracle: Oracle, prng: Prng): Promise<void> {
	if (oracle.acknowledged.length === 0) return;
	// Large ones are few, and have the longer way.
	const large = oracle.acknowledged.filter(({ content }) => content.bytes.length > SEGMENT_BYTES);
	const { content } = prng.pick(large.length > 0 && prng.chance(0.6) ? large : oracle.acknowledged);
	const segments = Math.ceil(content.bytes.length / SEGMENT_BYTES);
	if (segments > 1 && prng.chance(0.5)) return drop(machine, store, oracle, prng, content, segments);
	await removeFile(machine, store, oracle, content);
	// While rows are being removed.
	if (prng.chance(0.6)) await checkpoint(machine, store);
}

/** Deletes a file; what is answered goes to the oracle. */
export async function removeFile(
	machine: SimulatedMachine,
	store: Store,
	oracle: Oracle,
	content: Content,
): Promise<void> {
	const operation = oracle.states.begin(content.root, 'deleted');
	try {
		await store.files.deleteFile(content.root);
		if (!machine.io.crashed) oracle.states.answered(operation);
	} catch (error) {
		if (!machine.io.crashed) refusedFor(error, ['NOT_HELD'], oracle, operation);
	}
}

async function drop(
	machine: SimulatedMachine,
	store: Store,
	oracle: Oracle,
	prng: Prng,
	content: Content,
	segments: number,
): Promise<void> {
	const first = prng.below(segments);
	const operation = oracle.states.begin(content.root, 'pruned');
	try {
		await store.files.dropSegments(content.root, first, 1 + prng.below(segments - first));
		if (!machine.io.crashed) oracle.states.answered(operation);
	} catch (error) {
		if (!machine.io.crashed) refusedFor(error, ['NOT_HELD', 'GONE'], oracle, operation);
	}
}

/** There is nothing any more to remove. Any other error goes on. */
function refusedFor(error: unknown, codes: readonly ErrorCode[], oracle: Oracle, operation: OperationToken): void {
	if (!(error instanceof PerigeeError && codes.includes(error.code))) throw error;
	oracle.states.withoutEffect(operation);
}

async function readBack(machine: SimulatedMachine, store: Store, oracle: Oracle, prng: Prng): Promise<void> {
	if (oracle.acknowledged.length === 0) return;
	const { content, txSeq } = prng.pick(oracle.acknowledged);
	const file = await store.files.fileBySeq(txSeq);
	if (machine.io.crashed) return;
	try {
		await checkFile(store, file, content, () => machine.io.crashed);
	} catch (error) {
		const reason = error instanceof Violation ? error.cause : undefined;
		const isMissing = reason instanceof PerigeeError && (reason.code === 'NOT_HELD' || reason.code === 'GONE');
		const states = oracle.states.of(content.root);
		if (!isMissing || !(states.has('deleted') || states.has('pruned'))) throw error;
	}
}

async function checkpoint(machine: SimulatedMachine, store: Store): Promise<void> {
	try {
		await untilStalled(store, store.checkpoint());
	} catch (error) {
		// A checkpoint may fail on a faulty disk; nothing is lost by it, which the next open shows.
		if (error instanceof Violation) throw error;
		if (machine.io.crashed || (error as NodeJS.ErrnoException).code !== undefined) return;
		throw error;
	}
}

/** Compaction of everything, or of what it finds worth it, beside whatever else runs. */
export async function compact(machine: SimulatedMachine, store: Store, everything: boolean): Promise<void> {
	const map = new PlaceMap(machine);
	await map.learn();
	const forget = store.compaction.addHolder(map);
	try {
		const pass = store.compaction.start({ everything }).then(() => store.compaction.settled());
		const isDone = await untilStalled(store, pass);
		if (isDone && !machine.io.crashed) map.check();
	} catch (error) {
		// It may fail on a faulty disk and is tried again; nothing is lost by it, which the next open shows.
		if (error instanceof Violation) throw error;
		if (machine.io.crashed || (error as NodeJS.ErrnoException).code !== undefined) return;
		throw error;
	} finally {
		forget();
	}
}
