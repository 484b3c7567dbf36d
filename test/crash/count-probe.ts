import { logChecksums } from '../../src/log-layer/store.js';
import { runCrashSeed } from './scenario.js';
const c = logChecksums as any; const o = c.firstBadBlock; let bad = 0, all = 0;
c.firstBadBlock = (b: Uint8Array, k: Uint8Array) => { const r = o(b, k); all++; if (r >= 0) bad++; return r; };
const t = performance.now();
for (let s = 1; s <= 60; s++) await runCrashSeed(s);
console.log({ bad, all }, (performance.now() - t) / 60);
