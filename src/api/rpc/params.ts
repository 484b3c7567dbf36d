/**
 * Parameters of a call, by place or by name (spec log-layer §4.1). A missing trailing one may be optional; surplus ones are ignored. The texts of
 * refusals are those of the reference, which clients show to people.
 */
import type { DataRoot } from '../../units.js';
import { JsonObject, type JsonNode } from './json-reader.js';
import { rootOf, textOf, u64Of, wrongType } from './param-values.js';
import { unreadableParams } from './rpc-error.js';
import type { SentSegment } from './segments.js';
import { segmentOf } from './sent-segment.js';

export class Params {
	readonly #items: readonly JsonNode[];
	readonly #members: ReadonlyMap<string, JsonNode> | undefined;
	/** Length of the object's text. */
	readonly #length: number;
	#next = 0;

	/** `node`: what stands as `params`; undefined when nothing does. Errors: RpcError when it is neither array nor object. */
	constructor(node: JsonNode | undefined) {
		const { value = null, from = 0, to = 0 } = node ?? {};
		if (value !== null && !Array.isArray(value) && !(value instanceof JsonObject))
			throw unreadableParams('Invalid params');
		this.#items = Array.isArray(value) ? (value as readonly JsonNode[]) : [];
		this.#members = value instanceof JsonObject ? value.members : undefined;
		this.#length = to - from;
	}

	u64(name: string): bigint {
		const node = this.#required(name);
		return u64Of(node, node.from);
	}

	/** A whole number, or nothing. */
	optionalU64(name: string): bigint | undefined {
		const node = this.#node(name);
		return node === undefined || node.value === null ? undefined : u64Of(node, node.from);
	}

	bool(name: string): boolean {
		const node = this.#required(name);
		if (typeof node.value === 'boolean') return node.value;
		throw wrongType(node, 'a boolean', node.from);
	}

	root(name: string): DataRoot {
		const node = this.#required(name);
		return rootOf(node, node.from);
	}

	text(name: string): string {
		const node = this.#required(name);
		return textOf(node, node.from);
	}

	/** A text, or nothing. */
	optionalText(name: string): string | undefined {
		const node = this.#node(name);
		return node === undefined || node.value === null ? undefined : textOf(node, node.from);
	}

	/** A list of texts, or nothing. */
	optionalTexts(name: string): readonly string[] {
		const node = this.#node(name);
		if (node === undefined || node.value === null) return [];
		if (!Array.isArray(node.value)) throw wrongType(node, 'a sequence', node.from);
		return (node.value as readonly JsonNode[]).map((one) => textOf(one, node.from));
	}

	/** A segment with its proof. */
	segment(name: string): SentSegment {
		const node = this.#required(name);
		return segmentOf(node, node.from);
	}

	segments(name: string): readonly SentSegment[] {
		const node = this.#required(name);
		if (!Array.isArray(node.value)) throw wrongType(node, 'a sequence', node.from);
		return (node.value as readonly JsonNode[]).map((one) => segmentOf(one, node.from));
	}

	/** A root, or nothing. */
	optionalRoot(name: string): DataRoot | undefined {
		const node = this.#node(name);
		return node === undefined || node.value === null ? undefined : rootOf(node, node.from);
	}

	/** A number or a root. */
	seqOrRoot(name: string): bigint | DataRoot {
		const node = this.#required(name);
		return typeof node.value === 'number' || typeof node.value === 'bigint'
			? u64Of(node, node.from)
			: rootOf(node, node.from);
	}

	#required(name: string): JsonNode {
		const node = this.#node(name);
		if (node) return node;
		throw unreadableParams(
			this.#members ? `missing field \`${name}\` at line 1 column ${this.#length}` : 'No more params',
		);
	}

	#node(name: string): JsonNode | undefined {
		return this.#members ? this.#members.get(name) : this.#items[this.#next++];
	}
}
