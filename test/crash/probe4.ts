import { runKills } from './kills.js';
const t = performance.now();
console.log(await runKills({ seed: Number(process.argv[2] ?? 1), kills: Number(process.argv[3] ?? 5) }), (performance.now() - t) / 1000);
