// What must be on the machine before anything can be built, and how to get it.
import { spawnSync } from 'node:child_process';
import { BuildFailure } from './common.mjs';

const MINIMUM_NODE = [20, 19];

/** How to get each tool that a step may need. */
const ADVICE = {
	npm: 'npm is missing: it comes with Node (https://nodejs.org); Debian and Ubuntu: apt-get install npm',
	cargo: 'cargo is missing: install Rust with the command at https://rustup.rs, then open a new shell',
	cc: 'there is no C linker (cc): Debian and Ubuntu: apt-get install build-essential; macOS: xcode-select --install',
};

/** Refuses a Node that is too old for the code. */
export function checkNode(version = process.versions.node) {
	const [major, minor] = version.split('.').map(Number);
	if (major > MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor >= MINIMUM_NODE[1])) return;
	throw new BuildFailure(
		`Node ${version} is too old: Perigee needs ${MINIMUM_NODE.join('.')} or newer; get it from https://nodejs.org or with: nvm install 20`,
	);
}

/** Names every missing tool at once, so that nobody has to run this three times. */
export function checkTools(names) {
	const missing = names.filter((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).error !== undefined);
	if (missing.length > 0) throw new BuildFailure(...missing.map((name) => ADVICE[name]));
}
