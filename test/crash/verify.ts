/** Checks a store against what its clients know. */
import { checkProof } from './proofs.js';
import * as addon from '../../src/native/addon.js';
import { FlowDraft } from '../../src/settlement/flow/flow-draft.js';
import { PerigeeError } from '../../src/errors.js';
import type { Store } from '../../src/log-layer/store.js';
import type { StoredFile } from '../../src/log-layer/types.js';
import { HASH_BYTES, SEGMENT_BYTES, type TxSeq } from '../../src/units.js';
import type { Content, Oracle } from './oracle.js';
import { verifyResumables } from './resumables.js';
import { verifySealed } from './sealing.js';
import { verifySegments } from './segments.js';
import type { Process, SimulatedMachine, Told } from './simulated-machine.js';
import { inTurns } from './turns.js';
import { Violation } from './violation.js';

/** All checks on a store that runs and has no work: throws a Violation. Ends with everything flushed. */
export async function verifyStore(machine: SimulatedMachine, process: Process, oracle: Oracle): Promise<void> {
	const { store, told } = process;
	if (told.damaged.length > 0) throw new Violation(`damage reported without damage: ${JSON.stringify(told.damaged)}`);
	if (told.missing.length > 0) throw new Violation(`files are called missing: ${JSON.stringify(told.missing)}`);
	if (told.kept.length > 0) throw new Violation(`a log file is kept without damage: ${told.kept[0]?.message}`);
	for (const reason of store.files.health()) {
		if (reason.code !== 'DISK_FULL') throw new Violation(`unhealthy: ${reason.code} ${reason.message}`);
	}
	await verifyResumables(store, oracle);
	await verifySegments(store, oracle);
	await verifySealed(store, oracle);
	await verifyAcknowledged(store, oracle);
	await verifySubmissions(store, oracle);
	await store.log.flush();
	await verifyRebuild(machine, store);
}

/**
 * Everything that was answered is there, byte for byte, under root and txSeq, with its name. `mayBeMarked`: reads have failed before, so files
 * may count as damaged.
 */
export async function verifyAcknowledged(store: Store, oracle: Oracle, mayBeMarked = false): Promise<void> {
	const made = new Map<string, TxSeq>();
	for (const { content, txSeq, name, existed } of oracle.acknowledged) {
		const key = `${content.root}/${content.bytes.length}`;
		const known = made.get(key);
		if (known !== undefined && known !== txSeq)
			throw new Violation(`${key} was submitted twice: ${known} and ${txSeq}`);
		made.set(key, txSeq);
		const file = await store.files.fileBySeq(txSeq);
		await checkState(store, oracle, file, content, mayBeMarked);
		if (!existed && file && file.name !== name && !oracle.namesOf(content.root).has(file.name))
			throw new Violation(`submission ${txSeq} is called ${file.name}, not ${name}`);
		const byRoot = await store.files.fileByRoot(content.root);
		if (!byRoot) throw new Violation(`no file under ${content.root}`);
		if (byRoot.name !== oracle.lastOf(content.root)?.name && !oracle.namesOf(content.root).has(byRoot.name)) {
			throw new Violation(`${content.root} is called ${byRoot.name}`);
		}
	}
}

/** Every submission is whole, whoever made it, and the flow root is what the submissions give. */
async function verifySubmissions(store: Store, oracle: Oracle): Promise<void> {
	const { submissions, root, lengthSectors } = store.files.flow();
	const flow = new FlowDraft(addon, 1n, new Uint8Array(HASH_BYTES));
	for (let txSeq = 0; txSeq < submissions; txSeq++) {
		const file = await store.files.fileBySeq(txSeq as TxSeq);
		if (!file) throw new Violation(`submission ${txSeq} of ${submissions} is missing`);
		const content = oracle.contentOf(file.root, file.sizeBytes);
		if (!content) throw new Violation(`submission ${txSeq} names ${file.root}, which nobody uploaded`);
		await checkState(store, oracle, file, content);
		flow.append(file.nodes);
		if (flow.start !== file.startSector)
			throw new Violation(`submission ${txSeq} begins at ${file.startSector}, not at ${flow.start}`);
	}
	if (flow.length !== lengthSectors) throw new Violation(`the flow has ${lengthSectors} sectors, not ${flow.length}`);
	if (!Buffer.from(addon.flowRoot(flow.length, flow.frontier)).equals(root))
		throw new Violation('the flow root is not that of the submissions');
	if (!Buffer.from(store.settlement.flow().root).equals(root))
		throw new Violation('file store and settlement disagree about the flow root');
}

/** The content is in a state that its clients' operations explain, and stays in it. */
async function checkState(
	store: Store,
	oracle: Oracle,
	file: StoredFile | undefined,
	content: Content,
	mayBeMarked = false,
): Promise<void> {
	const states = oracle.states.of(content.root);
	const found = file?.deleted ? 'deleted' : mayBeMarked || file?.finalized ? 'held' : 'pruned';
	if (file && !states.has(found) && !(mayBeMarked && states.has('pruned')))
		throw new Violation(`${content.root} is ${found}, and should be ${[...states].join(' or ')}`);
	if (!file || (found === 'held' && !states.has('pruned')))
		await checkFile(store, file, content, () => false, mayBeMarked);
	else await checkParts(store, file, content);
	if (!mayBeMarked) oracle.states.found(content.root, found);
}

/** What is held of a file is right and can be proved; the rest is refused. */
async function checkParts(store: Store, file: StoredFile, content: Content): Promise<void> {
	const code = file.deleted ? 'GONE' : 'NOT_HELD';
	let held = 0;
	for (let segment = 0; segment < file.segments; segment++) {
		const from = segment * SEGMENT_BYTES;
		const to = Math.min(from + SEGMENT_BYTES, file.sizeBytes);
		try {
			const bytes = await store.files.readSmall(file, from, to);
			if (!content.bytes.subarray(from, to).equals(bytes))
				throw new Violation(`wrong bytes in segment ${segment} of ${content.root}`);
			await checkProof(store, file, segment);
			held++;
		} catch (error) {
			if (error instanceof Violation || !(error instanceof PerigeeError) || error.code !== code) throw error;
		}
	}
	if (held !== file.heldSegments)
		throw new Violation(`${held} segments of ${content.root} are held, not ${file.heldSegments}`);
}

/** The file is whole and its bytes are those of the content, read in pieces, at once, and with a proof. */
export async function checkFile(
	store: Store,
	file: StoredFile | undefined,
	content: Content,
	stopped: () => boolean = () => false,
	mayBeMarked = false,
): Promise<void> {
	if (!file) throw new Violation(`${content.root} is missing`);
	if (file.root !== content.root || file.sizeBytes !== content.bytes.length)
		throw new Violation(`${file.root} (${file.sizeBytes}) stands where ${content.root} should`);
	if (!mayBeMarked && (!file.finalized || file.heldSegments !== file.segments)) {
		// A read that failed marks its segment, which explains this answer.
		const cause = new PerigeeError(store.damage.count > 0 ? 'DATA_DAMAGED' : file.deleted ? 'GONE' : 'NOT_HELD');
		throw new Violation(`${content.root} is not whole: ${file.heldSegments} of ${file.segments}`, { cause });
	}
	let at = 0;
	try {
		for await (const piece of store.files.read(file, 0, file.sizeBytes)) {
			const equal = content.bytes.subarray(at, at + piece.bytes.length).equals(piece.bytes);
			at += piece.bytes.length;
			piece.release();
			if (!equal) throw new Violation(`wrong bytes of ${content.root} before ${at}`);
		}
		if (at !== file.sizeBytes) throw new Violation(`${content.root} ends at ${at}`);
		const last = file.segments - 1;
		const from = last * SEGMENT_BYTES;
		const small = await store.files.readSmall(file, from, file.sizeBytes);
		if (!content.bytes.subarray(from).equals(small))
			throw new Violation(`wrong bytes in the last segment of ${content.root}`);
		await checkProof(store, file, last);
	} catch (error) {
		if (stopped() || error instanceof Violation) throw error;
		throw new Violation(`${content.root} cannot be read: ${error instanceof Error ? error.message : String(error)}`, {
			cause: error,
		});
	}
}

/** The view, as the next process would bring it up to date, equals one that is built from the log alone. */
async function verifyRebuild(machine: SimulatedMachine, store: Store): Promise<void> {
	// Both of one moment: the store may be compacting.
	const [withView, without] = await Promise.all([machine.copy(true), machine.copy(false)]);
	const continued = await openCopy(withView, store, 'an open');
	const rebuilt = await openCopy(without, store, 'a rebuild');
	const difference = firstDifference(continued, rebuilt);
	if (difference) throw new Violation(`the view differs from a rebuilt one: ${difference}`);
}

/** Rows of the view after an open of a copy of the disk. */
async function openCopy(
	copy: SimulatedMachine,
	original: Store,
	what: 'an open' | 'a rebuild',
): Promise<ReadonlyMap<string, string>> {
	const process = await inTurns(copy.start(), what, () => false);
	if (!process) throw new Error('a machine without faults stopped');
	const { told, store } = process.value;
	await inTurns(finishHousekeeping(store, told, what), `housekeeping after ${what}`, () => false);
	if (told.damaged.length > 0)
		throw new Violation(`${what} reports damage without damage: ${JSON.stringify(told.damaged)}`);
	const isSame = Buffer.from(store.settlement.flow().stateHash).equals(original.settlement.flow().stateHash);
	if (!isSame) throw new Violation(`${what} comes to another ledger state`);
	const rows = await copy.dump();
	if (what === 'a rebuild') await inTurns(store.close(), 'closing a rebuilt store', () => false);
	copy.kill();
	return rows;
}

/** Everything that stops have left behind goes, and the rows of what was deleted. */
async function finishHousekeeping(store: Store, told: Told, what: string): Promise<void> {
	await store.settle();
	await store.checkpoint();
	const { unnamed, purges } = store.waiting;
	if (told.housekeepingErrors.length > 0)
		throw new Violation(`housekeeping failed after ${what}: ${String(told.housekeepingErrors[0])}`);
	if (unnamed + purges > 0)
		throw new Violation(`${what} leaves ${unnamed} objects without a submission and ${purges} purges`);
}

/** The first row that is not the same in both. */
export function firstDifference(
	ours: ReadonlyMap<string, string>,
	theirs: ReadonlyMap<string, string>,
): string | undefined {
	for (const [key, value] of ours)
		if (theirs.get(key) !== value) return `row ${key} is ${value}, rebuilt ${theirs.get(key)}`;
	for (const [key, value] of theirs) if (!ours.has(key)) return `row ${key} is missing, rebuilt ${value}`;
	return undefined;
}
