// The target triple that `napi build` passes to cargo.
import { execFileSync } from 'node:child_process';
import { BuildFailure } from './common.mjs';

/** The host's target triple. Passing it, as `napi build` does, makes other cargo calls share the addon's artefacts. */
export function cargoTarget() {
	const host = /^host: (.+)$/m.exec(execFileSync('rustc', ['-vV'], { encoding: 'utf8' }))?.[1];
	if (host === undefined)
		throw new BuildFailure('rustc -vV does not name its host; reinstall Rust from https://rustup.rs');
	return host;
}
