import { runDiskFull, runNthFault } from './faults.js';
const bad: Record<string, string[]> = {};
const note = (e: unknown, id: string) => { const m = (process.env['STACK'] ? (e as Error).stack! + String((e as Error).cause) : (e as Error).message).slice(0, process.env['STACK'] ? 3000 : 150).replace(/0x[0-9a-f]{64}/g, 'R'); (bad[m] ??= []).push(id); };
let t = performance.now(); const [what = 'all', only = ''] = process.argv.slice(2);
if (what !== 'fault') { let acked = 0, n = 0; for (let seed = 1; seed <= 60; seed++) { if (only && String(seed) !== only) continue; try { acked += (await runDiskFull(seed)).acknowledged; n++; } catch (e) { note(e, `full ${seed}`); } } console.log('full', n, acked, (performance.now() - t) / 1000); }
t = performance.now(); let hit = 0;
if (what !== 'full') for (const kind of ['fdatasync', 'writev', 'read', 'open', 'syncDir', 'rename', 'unlink', 'close', 'size', 'stat', 'list'] as const) for (let nth = 1; nth <= 50; nth++) { if (only && `${kind}${nth}` !== only) continue; try { if (await runNthFault(kind, nth, nth)) hit++; else break; } catch (e) { note(e, `${kind}${nth}`); } }
console.log('faults', hit, (performance.now() - t) / 1000);
for (const [m, s] of Object.entries(bad)) console.log(s.length, s.slice(0, 8).join(', '), m);
