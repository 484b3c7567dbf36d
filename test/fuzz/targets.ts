/**
 * What outsiders and damaged disks can make the node read. Each target takes any input and may answer, or refuse with an error that has a code;
 * everything else (another error, an answer that breaks its promise) is a finding.
 */
import assert from 'node:assert/strict';
import { ifMatchHolds, ifNoneMatchNames, ifRangeHolds } from '../../src/api/rest/conditions.js';
import { parseContentDigest } from '../../src/api/rest/digest.js';
import { decodeDirectory, encodeDirectory } from '../../src/api/rest/directory-metadata.js';
import { DirectoryBuilder, entriesBelow } from '../../src/api/rest/directory-tree.js';
import { checkName, cleanMediaType, contentDisposition, nameOfUrl, partsOfUrl } from '../../src/api/rest/names.js';
import { type ByteRange, parseRanges } from '../../src/api/rest/ranges.js';
import { decodeFileRanges, encodeFileRanges } from '../../src/append-log/file-ranges.js';
import {
	claimedGroupOfTrailer,
	decodeFileStart,
	decodeGroup,
	encodeFileStart,
	encodeGroup,
	FORMAT_VERSION,
} from '../../src/append-log/format.js';
import { decodeRecovered, encodeRecovered } from '../../src/append-log/recovered.js';
import { loadConfig } from '../../src/config/load.js';
import { parseListenAddress } from '../../src/config/listen-address.js';
import { logChecksums } from '../../src/log-layer/log-checksums.js';
import { wholeObject } from '../../src/log-layer/records.js';
import {
	decodeObjectRow,
	decodeRootRow,
	decodeSegmentRow,
	decodeSubmissionRow,
	encodeRootRow,
	encodeSegmentRow,
} from '../../src/log-layer/rows.js';
import { openSealedJson, sealJson } from '../../src/log-layer/sealed-json.js';
import {
	decodeDeletion,
	decodeLedgerEntry,
	decodeSetting,
	decodeUpload,
	encodeDeletion,
	encodeSetting,
	encodeUpload,
} from '../../src/settlement/journal-records.js';
import { type FlowId, type Lsn, parseDataRoot, type TxSeq } from '../../src/units.js';
import { ADDON_TARGETS } from './addon-targets.js';
import { bytes, type FuzzTarget, PLACE, ROOT, text } from './inputs.js';
import { CHAIN_TARGETS } from './chain-targets.js';
import { RPC_TARGETS } from './rpc-targets.js';
import { UPLOAD_TARGETS } from './upload-targets.js';

const HASH = Buffer.alloc(32, 0x5a);

const IDENTITY = { lane: 'small', fileNo: 3, incarnation: Buffer.alloc(16, 7) } as const;
const PAYLOAD = Buffer.alloc(300, 1);

function groupSample(): Buffer {
	const records = [wholeObject(HASH, PAYLOAD, logChecksums.blockCrcs(PAYLOAD))];
	return Buffer.concat(encodeGroup(IDENTITY, 4096, 9n as Lsn, 4096, records, logChecksums).buffers);
}

function directorySample(): Buffer {
	const builder = new DirectoryBuilder();
	builder.addFile('a/b', { size: 300, roots: [ROOT] });
	builder.addFile('a/empty', { size: 0, roots: [] });
	builder.addLink('link', '../x');
	return Buffer.from(encodeDirectory(builder.tree()));
}

/** Version 2, with a file of two roots. */
function otherDirectorySample(): Buffer {
	const entries = [{ name: 'a', type: 'file', size: 5, roots: [ROOT, ROOT] }];
	const head = directorySample().subarray(0, 33);
	return Buffer.concat([head, Buffer.of(2), Buffer.from(JSON.stringify({ name: '/', type: 'directory', entries }))]);
}

export const FUZZ_TARGETS: readonly FuzzTarget[] = [
	text('Range', ['bytes=0-1,5-9', 'bytes=-5', 'bytes=7-, 3-4 ,-1'], (input) => {
		const ranges = parseRanges(input, 1000);
		if (!Array.isArray(ranges)) return;
		let sum = 0;
		for (const { from, to } of ranges as ByteRange[]) {
			assert.ok(from >= 0 && from < to && to <= 1000);
			sum += to - from;
		}
		assert.ok(sum <= 1000);
	}),
	text('Content-Digest', [`sha-256=:${HASH.toString('base64')}:, sha-512=:AA==:;a=1`], (input) => {
		const digest = parseContentDigest(input);
		assert.ok(digest === undefined || digest.length === 32);
	}),
	text('If-Match and its like', ['"a", W/"b", *', `"${ROOT}"`], (input) => {
		ifMatchHolds(input, `"${ROOT}"`);
		ifNoneMatchNames(input, `"${ROOT}"`);
		ifRangeHolds(input, `"${ROOT}"`);
	}),
	text('name in an address', ['/v1/upload/a%20b', '/v1/upload/%C3%BC?x', '/v1/upload/..'], (input) => {
		const name = checkName(nameOfUrl(input));
		assert.ok(Buffer.byteLength(name) <= 1024 && !name.includes('/'));
		// Whatever was taken can be sent again as a header.
		if (name !== '') assert.match(contentDisposition(name), /^[\x20-\x7e]+$/);
	}),
	text('media type', ['text/plain; charset=utf-8', 'a/b;c="d\\"e"'], (input) => {
		assert.match(cleanMediaType(input), /^[\t\x20-\x7e]*$/);
	}),
	text('data root', [ROOT, ROOT.toUpperCase()], (input) => {
		const root = parseDataRoot(input);
		assert.ok(root === undefined || /^0x[0-9a-f]{64}$/.test(root));
	}),
	text('listen address', ['127.0.0.1:5678', '[::1]:0', 'host:65535'], (input) => {
		try {
			const { port } = parseListenAddress(input);
			assert.ok(port >= 0 && port <= 65_535);
		} catch (error) {
			assert.ok(error instanceof Error && error.message !== '');
		}
	}),
	text('values of settings', ['127.0.0.1:1', '5', 'warn', '/a:/b'], (input) => {
		loadConfig({ flags: { http: input } });
		loadConfig({ env: { PERIGEE_STORAGE_RESERVE_BYTES: input, PERIGEE_LOG_LEVEL: input } });
	}),
	bytes(
		'upload of the journal',
		[
			encodeUpload({ flowId: 1 as FlowId, txSeq: 3 as TxSeq, root: ROOT, timeMs: 5, name: 'n', contentType: 'a/b' })
				.payload,
		],
		decodeUpload,
	),
	bytes(
		'deletion of the journal',
		[encodeDeletion({ root: ROOT, objectId: 7n, isDeleted: true }).payload],
		decodeDeletion,
	),
	bytes(
		'setting of the journal',
		[encodeSetting({ key: 'retired/bulk', value: Buffer.of(1, 2) }).payload],
		decodeSetting,
	),
	bytes('ledger entry of the journal', [Buffer.from('0100000003000000abc', 'latin1')], decodeLedgerEntry),
	bytes(
		'head of a log file',
		[
			encodeFileStart(
				{
					version: FORMAT_VERSION,
					lane: 2,
					fileNo: 3,
					storeId: Buffer.alloc(16, 1),
					incarnation: Buffer.alloc(16, 2),
					firstLsn: 1n as Lsn,
					createdMs: 5,
					volume: 0,
					previousFileNo: 2,
				},
				logChecksums,
			),
		],
		(input) => void decodeFileStart(input, logChecksums),
	),
	bytes('group of a log file', [groupSample()], (input) => {
		for (const kind of ['header', 'trailer'] as const) {
			const group = decodeGroup(input, kind, IDENTITY, 4096, logChecksums);
			if (!group || 'needBytes' in group) continue;
			for (const { place } of group.records) assert.ok(!place || place.lengthBytes <= group.groupBytes);
		}
		claimedGroupOfTrailer(input);
	}),
	bytes(
		'verdict of a recovery',
		[encodeRecovered(2, { end: 8192, doubt: [{ from: 8192, to: 9000 }] })],
		decodeRecovered,
	),
	bytes(
		'ranges of file numbers',
		[
			encodeFileRanges([
				[1, 4],
				[6, 6],
			]),
		],
		decodeFileRanges,
	),
	bytes('metadata of a directory', [directorySample(), otherDirectorySample()], (input) => {
		const tree = decodeDirectory(input);
		const seen = new Set<string>();
		for (const { parts, node } of entriesBelow(tree)) {
			const path = parts.join('/');
			assert.ok(!seen.has(path) && parts.every((part) => part !== '' && part !== '.' && part !== '..'), path);
			assert.ok(!parts.some((part) => /[/\0]/.test(part)), path);
			if (node.type === 'file') assert.equal(node.roots.length > 0, node.size > 0);
			seen.add(path);
		}
	}),
	text('path in an address', [`/v1/files/${ROOT}/path/a%20b/c?x`, `/v1/files/${ROOT}/path//`], (input) => {
		assert.ok(partsOfUrl(input).length <= input.length + 1);
	}),
	bytes('sealed JSON', [sealJson({ format: 1, files: {} })], openSealedJson),
	bytes(
		'row of a root',
		[
			encodeRootRow({
				object: { objectId: 5n, sizeBytes: 300, place: PLACE },
				deletion: { objectId: 3n, isDeleted: true },
			}),
		],
		(input) => {
			const { object } = decodeRootRow(input);
			assert.ok(!object || (Number.isSafeInteger(object.sizeBytes) && object.sizeBytes >= 0));
		},
	),
	bytes('row of a segment', [encodeSegmentRow({ root: HASH, place: PLACE })], decodeSegmentRow),
	bytes('row of an object', [Buffer.of(2, 1, 5, 3, ...HASH)], decodeObjectRow),
	bytes('row of a submission', [Buffer.concat([Buffer.of(1, 2, 3, 4), HASH, HASH])], (input) =>
		decodeSubmissionRow(1 as FlowId, 2 as TxSeq, input),
	),
	...CHAIN_TARGETS,
	...RPC_TARGETS,
	...UPLOAD_TARGETS,
	...ADDON_TARGETS,
];
