/** Bodies of JSON-RPC: what is read is what JSON is, nothing else is taken, and each body gets an answer. */
import assert from 'node:assert/strict';
import { JsonError, JsonObject, type JsonNode, LongText, readJson } from '../../src/api/rpc/json-reader.js';
import { Params } from '../../src/api/rpc/params.js';
import { RpcError } from '../../src/api/rpc/rpc-error.js';
import { plausibleSegment, refuseOddLength, refusalText, type SentSegment } from '../../src/api/rpc/segments.js';
import { refusalOf } from '../../src/log-layer/proved-batch.js';
import { fileRoot, sectorLeaves, treeRoot } from '../../src/native/addon.js';
import { segmentShape } from '../../src/native/segment-proof.js';
import { rootFromBytes, SEGMENT_BYTES } from '../../src/units.js';
import { segmentsOf } from '../support/segments.js';
import { bytes, type FuzzTarget, ROOT } from './inputs.js';

const CALL = Buffer.from(
	`{"jsonrpc":"2.0","id":18014398509481985,"method":"zgs_getFileInfo","params":["${ROOT}",true]}`,
);
const BATCH = Buffer.from(
	'[{"jsonrpc":"2.0","id":"\\u00e4\\"","method":"zgs_checkFileFinalized","params":{"tx_seq_or_root":1e2}}, {}]',
);
const SELECTION = Buffer.from(
	'{"jsonrpc":"2.0","id":1,"method":"indexer_getSelectedNodes","params":[1,"min",true,["http://a:1"]]}',
);
const VALUES = Buffer.from('{"a":[-0.5e-3,12345678901234567890,true,null,"\\\\"],"__proto__":{},"a":{"b":[[],{}]}}');
const BOUNDS = { values: 1000, depth: 20 };

/** As JSON.parse gives it. */
function plain({ value }: JsonNode): unknown {
	if (value instanceof LongText) return value.bytes.toString('utf8');
	if (value instanceof JsonObject)
		return Object.fromEntries([...value.members].map(([name, node]) => [name, plain(node)]));
	if (Array.isArray(value)) return (value as readonly JsonNode[]).map(plain);
	return typeof value === 'bigint' ? Number(value) : value;
}

function parsed(text: string): { readonly value: unknown } | undefined {
	try {
		return { value: JSON.parse(text) as unknown };
	} catch {
		return undefined;
	}
}

function read(input: Buffer): JsonNode | undefined {
	try {
		return readJson(input, BOUNDS);
	} catch (error) {
		if (error instanceof JsonError) return undefined;
		throw error;
	}
}

const READERS = [
	(params: Params): unknown => [params.root('data_root'), params.bool('need_available')],
	(params: Params): unknown => params.seqOrRoot('tx_seq_or_root'),
	(params: Params): unknown => [params.u64('sector_index'), params.optionalRoot('flow_root')],
	(params: Params): unknown => {
		const [replica, method] = [params.u64('replica'), params.text('method')];
		return [replica, method, params.bool('full_trusted'), params.optionalTexts('dropped')];
	},
];

/** The last segments of two files, of one segment and of two. */
const CONTENTS = [Buffer.from('a file of one sector'), Buffer.alloc(SEGMENT_BYTES + 300, 'of two segments')];
const SENT = CONTENTS.map((content) => segmentsOf(content).segments.at(-1));
const UPLOADS = [
	...SENT.map((segment) => Buffer.from(JSON.stringify({ params: [segment] }))),
	Buffer.from(JSON.stringify({ params: { segments: SENT, tx_seq: 3 } })),
];

/** Takes a segment through all checks that stand in front of the log. */
function checkSegment(sent: SentSegment): void {
	refuseOddLength(sent);
	const segment = plausibleSegment(sent);
	const bytes = Buffer.alloc(sent.lengthBytes);
	segment.copyTo(bytes);
	const { lengthBytes, leaves } = segmentShape(segment.sizeBytes, segment.index);
	const real = bytes.subarray(0, lengthBytes);
	const leaf = treeRoot(sectorLeaves(real, leaves));
	const refused = refusalOf(segment, leaf);
	if (refused) throw refusalText(refused);
	// Zeros behind the end make another size with the same root.
	const content = CONTENTS.find((one) => rootFromBytes(fileRoot(one).root) === sent.root);
	assert.ok(content, 'a root that nobody has made');
	const from = Number(sent.index) * SEGMENT_BYTES;
	const original = Buffer.alloc(real.length);
	content.copy(original, 0, from, from + real.length);
	assert.ok(original.equals(real), 'other bytes than those of the file');
}

export const RPC_TARGETS: readonly FuzzTarget[] = [
	bytes('JSON of a call', [CALL, BATCH, VALUES], (input) => {
		const text = input.toString('utf8');
		const node = read(input);
		const known = parsed(text);
		if (node) assert.deepEqual(plain(node), known?.value);
		// Beyond a bound it may be refused though it is JSON.
		else if (known) assert.ok(text.length > 20, text);
	}),
	bytes('segments with proofs', UPLOADS, (input) => {
		const value = read(input)?.value;
		const params = value instanceof JsonObject ? value.members.get('params') : undefined;
		for (const reader of [
			(made: Params): readonly SentSegment[] => [made.segment('segment')],
			(made: Params): readonly SentSegment[] => made.segments('segments'),
		]) {
			try {
				for (const sent of reader(new Params(params))) checkSegment(sent);
			} catch (error) {
				if (!(error instanceof RpcError)) throw error;
				assert.ok(error.message.length < 600);
			}
		}
	}),
	bytes('params of a call', [CALL, BATCH, SELECTION], (input) => {
		const value = read(input)?.value;
		const params = value instanceof JsonObject ? value.members.get('params') : undefined;
		for (const reader of READERS) {
			try {
				reader(new Params(params));
			} catch (error) {
				if (!(error instanceof RpcError)) throw error;
				assert.equal(error.code, -32602);
				assert.ok(error.message.length < 400);
			}
		}
	}),
];
