/** `perigee`, out of the same build as the measurements. */
import { main } from '../../src/cli/main.js';

await main(process.argv.slice(2));
