import { CANARIES } from './canaries.js';
import { runCrashSeed } from './scenario.js';
const only = process.argv[2] ?? '';
for (const { rule, breakage, install } of CANARIES) {
	if (!rule.includes(only)) continue;
	const restore = install?.(); const t = performance.now();
	const hits: string[] = []; let first = 0; let doubt = 0; const n = Number(process.argv[3] ?? 60);
	for (let seed = 1; seed <= n; seed++) { try { doubt += (await runCrashSeed(seed, breakage)).inDoubt; } catch (e) { hits.push((e as Error).message.slice(0, 90)); first ||= seed; if (hits.length > 5) break; } }
	restore?.();
	console.log(rule, '| first', first, doubt, '|', ((performance.now() - t) / 1000).toFixed(1), 's', [...new Set(hits)]);
}
