// The steps of the set-up, in order. Each has a name, a title, the tools it needs on the machine, a hash of its inputs,
// the outputs it must have made, and its work; `isDone` finds work that was done by other means.
import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { rootDirectory } from './common.mjs';
import { runTool } from './run-tool.mjs';
import { filesBelow, hashOf, readIfPresent } from './state.mjs';

const PLATFORM = `${process.platform} ${process.arch} abi ${process.versions.modules}`;
const INSTALLED_LOCK = 'node_modules/.package-lock.json';
const TYPESCRIPT_FOLDERS = ['src', 'test', 'bench'];

/** Entries of src/client/ that package.json exports. */
const BROWSER_MODULES = ['client', 'verify'];

const ADDON_MANIFESTS = [
	'Cargo.toml',
	'Cargo.lock',
	'.cargo/config.toml',
	'rust-toolchain.toml',
	'native/Cargo.toml',
	'native/build.rs',
];
const ADDON_FLAGS =
	'--platform --release --esm --manifest-path native/Cargo.toml --output-dir native --js index.js --dts index.d.ts'.split(
		' ',
	);

/**
 * Exactly what the lock says, with install scripts off: every package that is needed works without. Not `npm ci`, which refuses a lock
 * that lacks optional packages of other platforms.
 */
const packages = {
	name: 'packages',
	title: () => 'installing npm packages',
	tools: ['npm'],
	inputs: () => hashOf([PLATFORM, dependenciesOf(manifest())], ['package-lock.json']),
	outputs: () => [
		INSTALLED_LOCK,
		...Object.keys(directDependencies()).map((name) => `node_modules/${name}/package.json`),
	],
	isDone: () => isInstalled(),
	run: () =>
		runNpm('packages', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']),
};

/** The RocksDB binding ships ready for some platforms, and its ready form does not run on Node 22 and later. */
const rocksdb = {
	name: 'rocksdb',
	title: () => 'compiling RocksDB for this Node (once, about 7 minutes)',
	tools: ['npm'],
	inputs: () => hashOf([PLATFORM, packages.inputs()], []),
	outputs: () => (rocksdbIsReady() ? [] : ['node_modules/rocksdb/build/Release/leveldown.node']),
	isDone: () => rocksdbIsReady(),
	// The binding's install script reads the variable; npm gives up passing on flags that it does not know.
	run: () =>
		runNpm('rocksdb', ['rebuild', 'rocksdb', '--ignore-scripts=false', '--foreground-scripts'], {
			npm_config_build_from_source: 'true',
		}),
};

const addon = {
	name: 'addon',
	title: () => 'building the native addon',
	tools: ['cargo', 'cc'],
	inputs: () =>
		hashOf(
			[PLATFORM, manifest().napi, directDependencies()['@napi-rs/cli']],
			[...ADDON_MANIFESTS, ...filesBelow('native/src', () => true)],
		),
	outputs: () => ['native/index.js', 'native/index.d.ts', ...builtAddonBinaries()],
	run: async () => {
		// Removed first, so that a binary for another platform never stands in for this one.
		for (const path of addonBinaries()) rmSync(join(rootDirectory, path));
		await runTool('addon', process.execPath, ['node_modules/@napi-rs/cli/dist/cli.js', 'build', ...ADDON_FLAGS]);
	},
};

const typescript = {
	name: 'typescript',
	title: () => 'compiling TypeScript',
	tools: [],
	inputs: () =>
		hashOf(
			[PLATFORM, manifest().imports],
			['tsconfig.json', 'package-lock.json', 'native/index.d.ts', ...typescriptSources()],
		),
	outputs: () => typescriptSources().flatMap(compiledFilesOf),
	run: async () => {
		removeStrayOutputs();
		await runTool('typescript', process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json']);
	},
};

/** What browsers load, one module for each entry; the client imports the verifier, so that both know one VerifyError. */
const browser = {
	name: 'browser',
	title: () => 'bundling the browser modules',
	tools: [],
	inputs: () =>
		hashOf(
			[PLATFORM, directDependencies().esbuild],
			['tsconfig.json', ...['src/client', 'src/api/rest'].flatMap((folder) => filesBelow(folder, () => true))],
		),
	outputs: () => BROWSER_MODULES.map((name) => `dist/client/${name}.js`),
	run: () =>
		runTool('browser', process.execPath, [
			'node_modules/esbuild/bin/esbuild',
			...BROWSER_MODULES.map((name) => `src/client/${name}.ts`),
			...'--bundle --minify --format=esm --platform=browser --target=es2022 --external:./verify.js --outdir=dist/client'.split(
				' ',
			),
		]),
};

export const steps = [packages, rocksdb, addon, typescript, browser];

/** Runs the npm that runs this, if one does, else the one on the path. */
function runNpm(name, args, env) {
	const npm = process.env.npm_execpath;
	return npm?.endsWith('.js') ? runTool(name, process.execPath, [npm, ...args], env) : runTool(name, 'npm', args, env);
}

function manifest() {
	return JSON.parse(readIfPresent(join(rootDirectory, 'package.json')));
}

function dependenciesOf({ dependencies, devDependencies, optionalDependencies, overrides }) {
	return { dependencies, devDependencies, optionalDependencies, overrides };
}

function directDependencies() {
	const { dependencies, devDependencies } = manifest();
	return { ...dependencies, ...devDependencies };
}

/** Whether what npm noted about its last installation is what the lock file asks for. Optional packages may be missing. */
function isInstalled() {
	const installedText = readIfPresent(join(rootDirectory, INSTALLED_LOCK));
	if (installedText === undefined) return false;
	const installed = JSON.parse(installedText).packages;
	const { '': top, ...wanted } = JSON.parse(readIfPresent(join(rootDirectory, 'package-lock.json'))).packages;
	const sameAsManifest = ['dependencies', 'devDependencies'].every((kind) => sameEntries(top[kind], manifest()[kind]));
	return (
		sameAsManifest &&
		Object.keys(installed).every((path) => path in wanted) &&
		Object.entries(wanted).every(([path, { version, integrity, optional }]) => {
			const found = installed[path];
			return found === undefined ? optional === true : found.version === version && found.integrity === integrity;
		})
	);
}

function sameEntries(left = {}, right = {}) {
	const names = Object.keys(left);
	return names.length === Object.keys(right).length && names.every((name) => left[name] === right[name]);
}

function rocksdbIsReady() {
	if (Number.parseInt(process.versions.node, 10) >= 22) return false;
	return readdirSync(join(rootDirectory, 'node_modules/rocksdb/prebuilds')).some((folder) => {
		const [platform, architectures = ''] = folder.split('-');
		return platform === process.platform && architectures.split('+').includes(process.arch);
	});
}

function addonBinaries() {
	return readdirSync(join(rootDirectory, 'native'))
		.filter((name) => name.endsWith('.node'))
		.map((name) => `native/${name}`);
}

/** The binaries that the build made; a name that is never there when it made none. */
function builtAddonBinaries() {
	const found = addonBinaries();
	return found.length > 0 ? found : ['native/perigee-native.node'];
}

function typescriptSources() {
	return TYPESCRIPT_FOLDERS.flatMap((folder) => filesBelow(folder, (path) => path.endsWith('.ts')));
}

function compiledFilesOf(source) {
	if (source.endsWith('.d.ts')) return [];
	const stem = `dist/${source.slice(0, -'.ts'.length)}`;
	return [`${stem}.js`, `${stem}.js.map`, `${stem}.d.ts`];
}

/**
 * Removes outputs whose source is gone (a deleted test must not run again), and the compiler's own notes when an output
 * is missing, for they would tell it that the output is there.
 */
function removeStrayOutputs() {
	const expected = new Set(typescriptSources().flatMap(compiledFilesOf));
	for (const folder of TYPESCRIPT_FOLDERS) {
		for (const path of filesBelow(`dist/${folder}`, (path) => !expected.has(path))) rmSync(join(rootDirectory, path));
	}
	const isComplete = [...expected].every(
		(path) => statSync(join(rootDirectory, path), { throwIfNoEntry: false }) !== undefined,
	);
	if (!isComplete) rmSync(join(rootDirectory, 'dist/.tsbuildinfo'), { force: true });
}
