/**
 * `node scripts/run.cjs bench/profile.js <row> [--tool cpu|strace|perf] [--server perigee|bare] [--rounds n] [--top n]`: puts
 * the load of a row on one server and tells where that server's time goes.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { allWorkloads } from './load/workloads.js';
import { FULL_SIZES } from './options.js';
import { startBare, startLoadClient, startPerigee } from './servers/processes.js';
import { cpuSecondsOf } from './servers/process-stats.js';

type Tool = 'cpu' | 'strace' | 'perf';

const { values, positionals } = parseArgs({
	allowPositionals: true,
	options: {
		tool: { type: 'string', default: 'cpu' },
		server: { type: 'string', default: 'perigee' },
		rounds: { type: 'string', default: '3' },
		top: { type: 'string', default: '30' },
	},
});
const workloads = allWorkloads(FULL_SIZES);
const workload = workloads.find(({ id }) => id === positionals[0]);
if (!workload || !['cpu', 'strace', 'perf'].includes(values.tool)) {
	console.error(`usage: profile <${workloads.map(({ id }) => id).join('|')}> [--tool cpu|strace|perf] [--server bare]`);
	process.exit(2);
}
const tool = values.tool as Tool;
const directory = await mkdtemp(join(tmpdir(), 'perigee-profile-'));
try {
	const start = values.server === 'bare' ? startBare : startPerigee;
	const nodeArgs = tool === 'cpu' ? ['--cpu-prof', `--cpu-prof-dir=${directory}`] : [];
	const perfArgs = tool === 'perf' ? ['--perf-basic-prof', '--interpreted-frames-native-stack'] : [];
	const server = await start({ dataDir: join(directory, 'data'), nodeArgs: [...nodeArgs, ...perfArgs] });
	const client = await startLoadClient();
	const run = (job: Parameters<Parameters<typeof workload.prepare>[0]>[0]) => client.run({ ...job, port: server.port });
	const jobOf = await workload.prepare(run);
	const { requests: warmUp } = await run(jobOf(-1));
	const stopTool = await attach(tool, server.pid, directory);
	const cpuBefore = cpuSecondsOf(server.pid);
	const startMs = performance.now();
	let requests = 0;
	for (let round = 0; round < Number(values.rounds); round++) requests += (await run(jobOf(round))).requests;
	const seconds = (performance.now() - startMs) / 1000;
	const cpuSeconds = cpuSecondsOf(server.pid) - cpuBefore;
	console.log(
		`${workload.id} on ${server.name}: ${requests} requests in ${seconds.toFixed(2)} s, ` +
			`${((cpuSeconds * 1e6) / requests).toFixed(0)} µs of processor time a request`,
	);
	await stopTool();
	await client.stop();
	await server.stop();
	if (tool === 'cpu') await printCpuProfiles(directory, Number(values.top), warmUp + requests);
} finally {
	await rm(directory, { recursive: true, force: true });
}

/** Attaches a tool to the running server; the answer stops it and prints what it saw. */
async function attach(kind: Tool, pid: number, folder: string): Promise<() => Promise<void>> {
	if (kind === 'cpu') return () => Promise.resolve();
	const data = join(folder, 'perf.data');
	const child =
		kind === 'strace'
			? spawn('strace', ['-f', '-c', '-S', 'calls', '-p', String(pid)], { stdio: ['ignore', 'inherit', 'pipe'] })
			: spawn('perf', ['record', '-F', '999', '-o', data, '-p', String(pid)], { stdio: 'ignore' });
	let output = '';
	child.stderr?.on('data', (chunk: Buffer) => {
		output += chunk.toString();
	});
	// strace says so once it is attached; perf says nothing.
	if (child.stderr) await once(child.stderr, 'data');
	else await once(child, 'spawn');
	return async () => {
		const ended = once(child, 'exit');
		child.kill('SIGINT');
		await ended;
		const lines = output.split('\n').filter((line) => !/^strace: Process \d+ (?:attached|detached)/.test(line));
		console.log(lines.slice(0, Number(values.top)).join('\n'));
		if (kind === 'perf') await printPerf(data);
	};
}

async function printPerf(data: string): Promise<void> {
	for (const sort of ['tid,dso', 'dso,symbol']) {
		const args = ['report', '-i', data, '--percent-limit', '0.5', '--stdio', '--sort', sort];
		const child = spawn('perf', args, { stdio: ['ignore', 'inherit', 'ignore'] });
		await once(child, 'exit');
	}
}

interface CpuProfile {
	readonly nodes: readonly {
		readonly id: number;
		readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
	}[];
	readonly samples: readonly number[];
	readonly timeDeltas: readonly number[];
}

/** Self time by room and by function, for each thread that did something. */
async function printCpuProfiles(folder: string, top: number, requests: number): Promise<void> {
	for (const file of (await readdir(folder)).filter((name) => name.endsWith('.cpuprofile')).toSorted()) {
		const profile = JSON.parse(await readFile(join(folder, file), 'utf8')) as CpuProfile;
		const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
		const rooms = new Map<string, number>();
		const functions = new Map<string, number>();
		for (const [index, node] of profile.samples.entries()) {
			const frame = frames.get(node);
			const micros = profile.timeDeltas[index] ?? 0;
			if (!frame || frame.functionName === '(idle)') continue;
			for (const [sums, name] of [
				[rooms, roomOf(frame)],
				[functions, nameOf(frame)],
			] as const) {
				sums.set(name, (sums.get(name) ?? 0) + micros);
			}
		}
		const total = [...rooms.values()].reduce((sum, value) => sum + value, 0);
		console.log(`\n${file}: ${(total / 1e6).toFixed(2)} s not idle, start included`);
		printShares(rooms, total, requests, top);
		console.log('');
		printShares(functions, total, requests, top);
	}
}

function printShares(sums: ReadonlyMap<string, number>, total: number, requests: number, top: number): void {
	for (const [name, micros] of [...sums].toSorted((a, b) => b[1] - a[1]).slice(0, top)) {
		const share = ((100 * micros) / total).toFixed(1).padStart(5);
		console.log(`${share} %  ${(micros / requests).toFixed(1).padStart(9)} µs a request  ${name}`);
	}
}

type Frame = CpuProfile['nodes'][number]['callFrame'];

function nameOf({ functionName, url, lineNumber }: Frame): string {
	const place = shortened(url);
	return `${functionName || '(anonymous)'} ${place}${place ? `:${lineNumber + 1}` : ''}`;
}

/** The folder of the code. Native calls stand under their own names, as the profiler has no place for them. */
function roomOf(frame: Frame): string {
	const place = shortened(frame.url);
	if (place === '') return frame.functionName || '(native)';
	if (place.startsWith('node:')) return 'node:*';
	return place
		.split('/')
		.slice(0, 3)
		.join('/')
		.replace(/^[^/]*dist\//, '');
}

function shortened(url: string): string {
	return url.replace(/^.*\/(?=(?:dist|[^/]*-dist|node_modules)\/)/, '');
}
