import { FlipSubject, RealFlipSubject, noFlips } from './flips.js';
import { Prng } from '../support/prng.js';
const bad: Record<string, string[]> = {};
const note = (e: unknown, id: string) => { const m = (process.env['STACK'] ? (e as Error).stack! : (e as Error).message).slice(0, process.env['STACK'] ? 3000 : 150).replace(/0x[0-9a-f]{64}/g, 'R'); (bad[m] ??= []).push(id); };
const [n = 300, m = 60] = process.argv.slice(2).map(Number);
let t = performance.now(); const prng = new Prng(1);
const s = await FlipSubject.make(1); const counts: Record<string, any> = {};
console.log(s.files.map((f) => f + ' ' + s.sizeOf(f)).join('\n'));
for (let i = 0; i < n; i++) { const path = prng.pick(s.files); const off = prng.below(s.sizeOf(path)); const bit = prng.below(8); const rb = prng.chance(0.5);
 try { const o = await s.flip(path, off, bit, rb); const k = path.split('/').pop()!.split('-')[0]! + (rb ? ' rebuild' : ''); (counts[k] ??= noFlips())[o]++; } catch (e) { note(e, `${path} ${off} ${bit} ${rb}`); } }
console.table(counts); console.log((performance.now() - t) / n, 'ms');
t = performance.now(); const r = await RealFlipSubject.make(1); const rc: Record<string, any> = {};
for (let i = 0; i < m; i++) { try { const o = await r.flip(new Prng(i)); (rc[o.name] ??= noFlips())[o.outcome]++; } catch (e) { note(e, `real ${i}`); } }
await r.remove();
console.table(rc); console.log((performance.now() - t) / m, 'ms');
for (const [mm, ss] of Object.entries(bad)) console.log(ss.length, ss.slice(0, 6), mm);
