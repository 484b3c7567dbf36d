import { runCrashSeed } from './scenario.js';
const [from = 1, count = 50] = process.argv.slice(2).map(Number);
const sums: Record<string, number> = {};
const bad: Record<string, number[]> = {};
const t = performance.now();
for (let seed = from; seed < from + count; seed++) {
	try {
		const o = await runCrashSeed(seed);
		for (const [k, v] of Object.entries(o)) sums[k] = (sums[k] ?? 0) + v;
	} catch (e) {
		const m = (process.env['STACK'] ? (e as Error).stack! : (e as Error).message)
			.slice(0, process.env['STACK'] ? 3000 : 130)
			.replace(/0x[0-9a-f]{64}/g, 'R');
		(bad[m] ??= []).push(seed);
	}
}
console.log(sums, (performance.now() - t) / 1000);
for (const [m, s] of Object.entries(bad)) console.log(s.length, s.slice(0, 8).join(','), m);
