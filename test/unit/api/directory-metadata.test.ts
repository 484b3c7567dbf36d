import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keccak_256 } from '@noble/hashes/sha3.js';
import {
	byUtf8,
	decodeDirectory,
	type DirectoryNode,
	encodeDirectory,
	isDirectoryHead,
	type TreeNode,
} from '../../../src/api/rest/directory-metadata.js';
import { DirectoryBuilder, entriesBelow, entryAt, staysInside } from '../../../src/api/rest/directory-tree.js';
import { isJsonWithin } from '../../../src/api/rest/json-shape.js';
import { LIMITS } from '../../../src/limits.js';
import type { DataRoot } from '../../../src/units.js';

const ROOT = `0x${'5a'.repeat(32)}` as DataRoot;
const MAGIC = Buffer.from(keccak_256(Buffer.from('0g-storage-client-dir-codec')));

function directory(...entries: TreeNode[]): DirectoryNode {
	return { type: 'directory', name: '', entries };
}

function file(name: string, size = 3, ...roots: DataRoot[]): TreeNode {
	return { type: 'file', name, size, roots: roots.length > 0 || size === 0 ? roots : [ROOT] };
}

/** Metadata with any JSON. */
function metadata(json: unknown, version = 1): Buffer {
	const text = typeof json === 'string' ? json : JSON.stringify(json);
	return Buffer.concat([MAGIC, Buffer.of(version >> 8, version & 0xff), Buffer.from(text)]);
}

const codeOf = (bytes: Uint8Array): string => {
	try {
		decodeDirectory(bytes);
		return 'taken';
	} catch (error) {
		return String((error as { code?: unknown }).code);
	}
};

describe('metadata of directories', () => {
	it('is written byte for byte as the official client writes it', () => {
		const bytes = Buffer.from(
			encodeDirectory(
				directory(
					{ type: 'symbolic', name: 'link', link: '../<a>&b' },
					file('\u{1f600}'),
					file('\uffee'),
					file('b', 0),
					{ type: 'directory', name: 'B', entries: [] },
					{ type: 'directory', name: 'a', entries: [file('x')] },
				),
			),
		);
		assert.deepEqual(bytes.subarray(0, 34), Buffer.concat([MAGIC, Buffer.of(0, 1)]));
		const zero = `0x${'0'.repeat(64)}`;
		assert.equal(
			bytes.subarray(34).toString('utf8'),
			`{"name":"/","type":"directory","entries":[{"name":"B","type":"directory"},` +
				`{"name":"a","type":"directory","entries":[{"name":"x","type":"file","hash":"${ROOT}","size":3}]},` +
				`{"name":"b","type":"file","hash":"${zero}"},` +
				`{"name":"link","type":"symbolic","link":"../\\u003ca\\u003e\\u0026b"},` +
				`{"name":"\uffee","type":"file","hash":"${ROOT}","size":3},` +
				`{"name":"\u{1f600}","type":"file","hash":"${ROOT}","size":3}]}`,
		);
	});

	it('sorts like bytes of UTF-8', () => {
		const names = ['b', 'ab', 'a', 'ä', '\u{10000}', '\uffff', '\ud7ff', 'B', 'a\u{1f600}', 'a\ue000'];
		const expected = [...names].sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
		assert.deepEqual([...names].sort(byUtf8), expected);
	});

	it('is read back as it was written', () => {
		const tree = directory(file('b', 0), { type: 'symbolic', name: 'c', link: '/x' }, directory());
		const named = { ...tree, entries: [...tree.entries.slice(0, 2), { ...directory(file('y')), name: 'd' }] };
		assert.deepEqual(decodeDirectory(encodeDirectory(named)), named);
	});

	it('of version 2 names several roots for a file, and one of version 1 a hash', () => {
		const other = `0x${'ab'.repeat(32)}` as DataRoot;
		for (const [version, entry, roots] of [
			[2, { name: 'a', type: 'file', size: 5, roots: [ROOT, other] }, [ROOT, other]],
			[2, { name: 'a', type: 'file', size: 5, roots: [ROOT] }, [ROOT]],
			[2, { name: 'a', type: 'file' }, []],
			[1, { name: 'a', type: 'file', size: 5, hash: ROOT.toUpperCase().replace('X', 'x') }, [ROOT]],
			[1, { name: 'a', type: 'file', hash: `0x${'00'.repeat(32)}` }, []],
		] as const) {
			const tree = decodeDirectory(metadata({ name: '/', type: 'directory', entries: [entry] }, version));
			assert.deepEqual(tree.entries, [{ type: 'file', name: 'a', size: roots.length > 0 ? 5 : 0, roots }]);
		}
	});

	it('that cannot be used is refused with a code', () => {
		const dir = (...entries: unknown[]) => metadata({ name: '/', type: 'directory', entries });
		const good = { name: 'a', type: 'file', size: 1, hash: ROOT };
		assert.equal(codeOf(dir(good)), 'taken');
		for (const [bytes, code] of [
			[Buffer.from('x'), 'NOT_A_DIRECTORY'],
			[MAGIC, 'NOT_A_DIRECTORY'],
			[metadata({ name: '/', type: 'directory' }, 3), 'BAD_DIRECTORY'],
			[metadata({ name: '/', type: 'directory' }, 257), 'BAD_DIRECTORY'],
			[metadata(''), 'BAD_DIRECTORY'],
			[metadata('{"name":"/"'), 'BAD_DIRECTORY'],
			[Buffer.concat([metadata('"'), Buffer.of(0xff, 0x22)]), 'BAD_DIRECTORY'],
			[metadata('null'), 'BAD_DIRECTORY'],
			[metadata(good), 'BAD_DIRECTORY'],
			[metadata({ name: '/', type: 'directory', entries: {} }), 'BAD_DIRECTORY'],
			[dir(1), 'BAD_DIRECTORY'],
			[dir(good, good), 'BAD_DIRECTORY'],
			...['', '.', '..', 'a/b', '/', 'a\nb', 'a\0', '\ud800', 'a'.repeat(1025), 5, null].map(
				(name) => [dir({ ...good, name }), 'BAD_DIRECTORY'] as const,
			),
			[dir({ ...good, type: 'raw' }), 'BAD_DIRECTORY'],
			...[-1, 1.5, '1', 2 ** 53].map((size) => [dir({ ...good, size }), 'BAD_DIRECTORY'] as const),
			[dir({ ...good, hash: '0x12' }), 'BAD_DIRECTORY'],
			[dir({ ...good, size: 0 }), 'BAD_DIRECTORY'],
			[dir({ ...good, size: undefined }), 'BAD_DIRECTORY'],
			[dir({ ...good, size: 0, hash: undefined, roots: [ROOT] }), 'BAD_DIRECTORY'],
			[dir({ ...good, hash: undefined }), 'BAD_DIRECTORY'],
			[dir({ ...good, hash: undefined, roots: [ROOT, 5] }), 'BAD_DIRECTORY'],
			[dir({ name: 'l', type: 'symbolic' }), 'BAD_DIRECTORY'],
			[dir({ name: 'l', type: 'symbolic', link: 'a\nb' }), 'BAD_DIRECTORY'],
		] as const)
			assert.equal(codeOf(bytes), code, bytes.subarray(32, 200).toString('latin1'));
	});

	it('beyond the bounds is refused before it costs much', () => {
		const tooDeep = '{"name":"a","type":"directory","entries":['.repeat(LIMITS.directoryDepth + 2);
		for (const text of [
			'['.repeat(1_000_000),
			tooDeep,
			tooDeep + ']}'.repeat(LIMITS.directoryDepth + 2),
			`{"name":"/","type":"directory","entries":[${'{},'.repeat(LIMITS.directoryEntries)}{},{}]}`,
			`{"name":"/","type":"directory","entries":[${'[],'.repeat(2 * LIMITS.directoryEntries)}[]]}`,
			' '.repeat(LIMITS.directoryMetadataBytes),
		])
			assert.match(codeOf(metadata(text)), /^(DIRECTORY_TOO_LARGE|BAD_DIRECTORY)$/, text.slice(0, 50));
		assert.equal(codeOf(metadata('['.repeat(1_000_000))), 'DIRECTORY_TOO_LARGE');
	});

	it('counts brackets in texts as what they are', () => {
		const within = (text: string, depth: number, groups: number) => isJsonWithin(Buffer.from(text), { depth, groups });
		assert.ok(within('{"a[[[\\"[[[":["]]"]}', 2, 2));
		assert.ok(!within('{"a":[]}', 1, 9));
		assert.ok(!within('[[],[]]', 9, 2));
		assert.ok(within('[[],[]]', 2, 3));
	});

	it('is known by its first bytes', () => {
		assert.ok(isDirectoryHead(metadata('')));
		assert.ok(!isDirectoryHead(MAGIC));
		assert.ok(!isDirectoryHead(Buffer.alloc(34)));
	});
});

describe('trees of directories', () => {
	const codeOfPath = (builder: DirectoryBuilder, path: string): string | undefined => {
		try {
			builder.addFile(path, { size: 0, roots: [] });
			return undefined;
		} catch (error) {
			return String((error as { code?: unknown }).code);
		}
	};

	it('take relative paths only, each once, nothing both file and directory', () => {
		const builder = new DirectoryBuilder();
		for (const path of ['a/b/c', 'a/b/d', 'a/x', 'é/ü', '-', 'a b', '...', 'a/b\\c'])
			assert.equal(codeOfPath(builder, path), undefined);
		for (const path of [
			'',
			'/',
			'/a',
			'a/',
			'a//b',
			'./a',
			'a/./b',
			'../a',
			'a/../b',
			'a/..',
			'a\nb',
			'a\0b',
			'\ud800',
			'a/b/c',
			'a/b',
			'a',
			'a/x/y',
			`x/${'a'.repeat(1025)}`,
			'x/'.repeat(3000),
		])
			assert.equal(codeOfPath(builder, path), 'BAD_PATH', path.slice(0, 20));
		assert.equal(codeOfPath(builder, `${'d/'.repeat(LIMITS.directoryDepth)}f`), 'DIRECTORY_TOO_LARGE');
		assert.deepEqual(
			[...entriesBelow(builder.tree())].map(({ parts }) => parts.join('/')),
			['a', 'a/b', 'a/b/c', 'a/b/d', 'a/x', 'a/b\\c', 'é', 'é/ü', '-', 'a b', '...'],
		);
	});

	it('are bounded in their entries', () => {
		const builder = new DirectoryBuilder();
		for (let at = 0; at < LIMITS.directoryEntries; at++) builder.addFile(`f${at}`, { size: 0, roots: [] });
		assert.equal(codeOfPath(builder, 'one-more'), 'DIRECTORY_TOO_LARGE');
	});

	it('are walked by parts, and links are not followed', () => {
		const builder = new DirectoryBuilder();
		builder.addDirectory('empty');
		builder.addLink('link', 'empty');
		builder.addFile('a/b', { size: 0, roots: [] });
		const tree = builder.tree();
		assert.equal(entryAt(tree, []), tree);
		assert.equal(entryAt(tree, ['a', 'b'])?.type, 'file');
		assert.deepEqual(entryAt(tree, ['empty']), { type: 'directory', name: 'empty', entries: [] });
		for (const parts of [['x'], ['a', 'b', 'c'], ['link', 'x'], ['__proto__'], ['']])
			assert.equal(entryAt(tree, parts), undefined);
	});

	it('know which links lead out of them', () => {
		for (const [path, link, stays] of [
			['l', 'x', true],
			['a/l', '../x', true],
			['a/l', '../../x', false],
			['l', '..', false],
			['l', '/etc/passwd', false],
			['l', 'a/../../x', false],
			['l', 'a/..', true],
			['a/b/l', './/../..', true],
		] as const)
			assert.equal(staysInside(path.split('/'), link), stays, `${path} → ${link}`);
	});
});
