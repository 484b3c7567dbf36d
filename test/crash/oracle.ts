/** What the clients of a store know: which uploads were answered, with what, and which were not. */
import { fileRoot } from '../../src/native/addon.js';
import { rootFromBytes, type DataRoot, type TxSeq } from '../../src/units.js';
import type { Prng } from '../support/prng.js';
import { ContentStates } from './content-states.js';
import { SealedStates } from './sealing.js';
import type { SentUpload } from './resumables.js';
import type { SentSegments } from './segments.js';

export interface Content {
	readonly bytes: Buffer;
	readonly root: DataRoot;
}

export interface Acknowledged {
	readonly content: Content;
	readonly txSeq: TxSeq;
	readonly name: string;
	readonly existed: boolean;
}

export class Oracle {
	/** All content that any upload was begun with, by root and size. */
	readonly contents = new Map<string, Content>();
	readonly acknowledged: Acknowledged[] = [];
	/** Uploads in several requests. */
	readonly resumables: SentUpload[] = [];
	/** Contents that come by segments, by root; no other client sends them before they are whole. */
	readonly segmented = new Map<DataRoot, SentSegments>();
	/** All content that was submitted for these, by root and size. */
	readonly #submitted = new Map<string, Content>();
	states = new ContentStates();
	/** Sealed copies of flow segments. */
	sealed = new SealedStates();
	/** Names of uploads that were begun and not answered with success, by root: each may be there or not. */
	readonly #openNames = new Map<DataRoot, Set<string>>();
	#names = 0;

	/** What the clients know at this moment. */
	fork(): Oracle {
		const copy = new Oracle();
		for (const [key, content] of this.contents) copy.contents.set(key, content);
		copy.acknowledged.push(...this.acknowledged);
		copy.resumables.push(...this.resumables.map((upload) => ({ ...upload })));
		for (const [root, sending] of this.segmented) copy.segmented.set(root, { ...sending });
		for (const [key, content] of this.#submitted) copy.#submitted.set(key, content);
		for (const [root, names] of this.#openNames) copy.#openNames.set(root, new Set(names));
		copy.#names = this.#names;
		copy.states = this.states.fork();
		copy.sealed = this.sealed.fork();
		return copy;
	}

	newName(prng: Prng): string {
		return prng.chance(0.1) ? '' : `name-${++this.#names}`;
	}

	begun(content: Content, name: string): void {
		this.contents.set(keyOf(content), content);
		this.#mayBeCalled(content, name);
	}

	/** Content that is named before any of it is sent. */
	submitted(content: Content, name: string): void {
		this.#submitted.set(keyOf(content), content);
		this.#mayBeCalled(content, name);
	}

	#mayBeCalled(content: Content, name: string): void {
		const names = this.#openNames.get(content.root) ?? new Set();
		names.add(name);
		this.#openNames.set(content.root, names);
	}

	answered(acknowledged: Acknowledged): void {
		this.acknowledged.push(acknowledged);
	}

	contentOf(root: DataRoot, sizeBytes: number): Content | undefined {
		const key = `${root}/${sizeBytes}`;
		return this.contents.get(key) ?? this.#submitted.get(key);
	}

	/** Every name that an upload of this root was begun with. */
	namesOf(root: DataRoot): ReadonlySet<string> {
		return this.#openNames.get(root) ?? new Set();
	}

	/** The upload of a root that was answered last. */
	lastOf(root: DataRoot): Acknowledged | undefined {
		return this.acknowledged.findLast((acknowledged) => acknowledged.content.root === root);
	}

	anyContent(prng: Prng): Content | undefined {
		return this.contents.size > 0 ? prng.pick([...this.contents.values()]) : undefined;
	}
}

function keyOf(content: Content): string {
	return `${content.root}/${content.bytes.length}`;
}

function contentOf(bytes: Buffer): Content {
	return { bytes, root: rootFromBytes(fileRoot(bytes).root) };
}

/** Bytes that differ from block to block and from content to content, made quickly. */
export function makeContent(prng: Prng, sizeBytes: number): Content {
	const bytes = Buffer.alloc(sizeBytes, prng.bytes(251));
	for (let at = 0; at + 4 <= sizeBytes; at += 4096) bytes.writeUInt32LE(prng.next(), at);
	return contentOf(bytes);
}
