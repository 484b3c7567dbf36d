/** The command line as a process of its own; what bin/perigee.cjs does, for the build that the tests belong to. */
import { main } from '../../src/cli/main.js';

await main(process.argv.slice(2));
