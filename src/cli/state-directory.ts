/** The user's own directory of what a later call of the command line may need. */
import { homedir } from 'node:os';
import { join } from 'node:path';

export function stateDirectory(): string {
	return join(process.env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state'), 'perigee');
}
