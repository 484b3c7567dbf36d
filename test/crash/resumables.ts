/**
 * Clients that send their content in several requests, over crashes. Promised: what was answered as received is there, the upload goes on behind
 * it, and what is stored in the end is what was sent.
 */
import { PerigeeError } from '../../src/errors.js';
import type { Store } from '../../src/log-layer/store.js';
import type { ResumableUpload } from '../../src/log-layer/types.js';
import { SEGMENT_BYTES } from '../../src/units.js';
import type { Prng } from '../support/prng.js';
import { makeContent, type Content, type Oracle } from './oracle.js';
import type { SimulatedMachine } from './simulated-machine.js';
import { Violation } from './violation.js';

/** An upload that was begun, as its client knows it. */
export interface SentUpload {
	readonly id: string;
	readonly content: Content;
	readonly name: string;
	/** Bytes that were answered for, and bytes that were ever sent. */
	answered: number;
	sent: number;
	isStored: boolean;
	/** A client works on it. */
	isBusy: boolean;
}

const OPEN_MOST = 4;
const WRITE_BYTES = 65_536;

/** One request of an upload, or of a new one. */
export async function resume(machine: SimulatedMachine, store: Store, oracle: Oracle, prng: Prng): Promise<void> {
	// What is missing may be what an upload consists of, or all that is known of it.
	if (store.losses.files.length + store.losses.volumes.length > 0) return;
	const open = oracle.resumables.filter(({ isStored, isBusy }) => !isStored && !isBusy);
	const known = open.length > 0 && (open.length >= OPEN_MOST || prng.chance(0.7)) ? prng.pick(open) : undefined;
	const upload = known ?? (await create(machine, store, oracle, prng));
	if (!upload) return;
	upload.isBusy = true;
	try {
		await request(machine, store, oracle, prng, upload);
	} catch (error) {
		// The disk answered the reading of what was staged with an error, and says so: the client asks again later.
		const isOfDisk = error instanceof PerigeeError && error.code === 'READ_FAILED' && machine.faults !== undefined;
		if (!isOfDisk) throw error;
	} finally {
		upload.isBusy = false;
	}
}

/** Everything that was answered for is there; what has come whole is a file. */
export async function verifyResumables(store: Store, oracle: Oracle): Promise<void> {
	for (const upload of oracle.resumables) note(oracle, upload, await look(store, upload));
}

/** Clients go on with what they have begun, to the end. */
export async function finishResumables(machine: SimulatedMachine, store: Store, oracle: Oracle): Promise<void> {
	for (const upload of oracle.resumables) {
		const { offsetBytes, stored } = await look(store, upload);
		if (!stored) await send(machine, store, oracle, upload, offsetBytes, upload.content.bytes.length);
		if (!upload.isStored && !machine.io.crashed) throw new Violation(`${upload.id} was sent whole and is no file`);
	}
}

async function create(
	machine: SimulatedMachine,
	store: Store,
	oracle: Oracle,
	prng: Prng,
): Promise<SentUpload | undefined> {
	const sizeBytes = prng.chance(0.3) ? 1 + prng.below(SEGMENT_BYTES) : 1 + prng.below(4 * SEGMENT_BYTES);
	const content = (prng.chance(0.2) && oracle.anyContent(prng)) || makeContent(prng, sizeBytes);
	const name = oracle.newName(prng);
	oracle.begun(content, name);
	const { id } = await store.files.resumables.create({
		name,
		contentType: 'text/plain',
		metadata: '',
		...(prng.chance(0.7) ? { sizeBytes: content.bytes.length } : {}),
	});
	if (machine.io.crashed) return undefined;
	const upload = { id, content, name, answered: 0, sent: 0, isStored: false, isBusy: false };
	oracle.resumables.push(upload);
	return upload;
}

async function request(
	machine: SimulatedMachine,
	store: Store,
	oracle: Oracle,
	prng: Prng,
	upload: SentUpload,
): Promise<void> {
	const state = await look(store, upload);
	if (machine.io.crashed) return;
	note(oracle, upload, state);
	if (state.stored) return;
	const { bytes } = upload.content;
	const to = Math.min(bytes.length, state.offsetBytes + 1 + prng.below(prng.chance(0.3) ? 3000 : 2 * SEGMENT_BYTES));
	if (state.sizeBytes !== undefined && prng.chance(0.2))
		await sendWrong(store, upload, state.offsetBytes, to - state.offsetBytes);
	if (!machine.io.crashed) await send(machine, store, oracle, upload, state.offsetBytes, to);
}

/** Sends the bytes [from, to) and hears that they are durable. */
async function send(
	machine: SimulatedMachine,
	store: Store,
	oracle: Oracle,
	upload: SentUpload,
	from: number,
	to: number,
): Promise<void> {
	const { id, content } = upload;
	const { bytes } = content;
	const isLast = to === bytes.length;
	const operation = isLast ? oracle.states.begin(content.root, 'held') : undefined;
	upload.sent = Math.max(upload.sent, to);
	const size = isLast ? { sizeBytes: bytes.length } : {};
	const session = await store.files.resumables.resume(id, { offsetBytes: from, ...size });
	try {
		for (let at = from; at < to; at += WRITE_BYTES)
			await session.write(bytes.subarray(at, Math.min(to, at + WRITE_BYTES)));
	} catch {
		// The end of the request tells why.
	}
	const state = await session.pause();
	if (machine.io.crashed) return;
	if (state.offsetBytes !== to) throw new Violation(`${id} stands at ${state.offsetBytes} after ${to}`);
	if (operation) oracle.states.answered(operation);
	note(oracle, upload, state);
}

/** Bytes that turn out to be wrong: they count for nothing. */
async function sendWrong(store: Store, { id }: SentUpload, offsetBytes: number, count: number): Promise<void> {
	const session = await store.files.resumables.resume(id, { offsetBytes, isChecked: true });
	try {
		await session.write(Buffer.alloc(count, 0xee));
	} finally {
		await session.discard();
	}
}

async function look(store: Store, upload: SentUpload): Promise<ResumableUpload> {
	const { id, content, answered, sent } = upload;
	const state = await store.files.resumables.find(id);
	const { offsetBytes, stored } = state;
	if (offsetBytes < answered || offsetBytes > sent)
		throw new Violation(`${id} stands at ${offsetBytes}: ${answered} were answered for, ${sent} sent`);
	if (stored && (stored.root !== content.root || offsetBytes !== content.bytes.length))
		throw new Violation(`${id} became ${stored.root}, not ${content.root}`);
	return state;
}

function note(oracle: Oracle, upload: SentUpload, { offsetBytes, stored }: ResumableUpload): void {
	upload.answered = offsetBytes;
	if (stored?.txSeq === undefined || upload.isStored) return;
	upload.isStored = true;
	const { content, name } = upload;
	oracle.answered({ content, txSeq: stored.txSeq, name, existed: true });
}
