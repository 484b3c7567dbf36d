/** A copy of the compiled code in which rules of the store are taken out, one at a time, and the test that guards the rule is run. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** No guard takes a tenth of this with its rule in place. */
const GUARD_MS = 40_000;

export interface Mutant {
	/** The rule that is taken out. */
	readonly rule: string;
	/** Compiled file below dist/src. */
	readonly file: string;
	/** Stands in the file exactly once. */
	readonly find: string;
	readonly replace: string;
	/** Test file below dist/test, and the part of a test's name that picks the guard. */
	readonly test: string;
	readonly guard: string;
}

/** A copy of the compiled code in which one rule at a time can be taken out. */
export class MutantSite {
	readonly #home: string;

	private constructor(home: string) {
		this.#home = home;
	}

	static async make(): Promise<MutantSite> {
		const root = fileURLToPath(new URL('../../../', import.meta.url));
		const home = await mkdtemp(join(tmpdir(), 'perigee-mutants-'));
		for (const name of ['dist', 'bin']) await cp(join(root, name), join(home, name), { recursive: true });
		for (const name of ['native', 'node_modules', 'test', 'package.json'])
			await symlink(join(root, name), join(home, name));
		return new MutantSite(home);
	}

	async remove(): Promise<void> {
		await rm(this.#home, { recursive: true, force: true });
	}

	/**
	 * What the guard of a mutant says with the rule taken out: the first failure it reports; undefined when it passes. Errors: when the rule's
	 * line is not found, and when the mutant cannot even be loaded.
	 */
	async failureOf(mutant: Mutant): Promise<string | undefined> {
		const path = join(this.#home, 'dist/src', mutant.file);
		const whole = await readFile(path, 'utf8');
		const parts = whole.split(mutant.find);
		if (parts.length !== 2)
			throw new Error(`${mutant.file} has the line of this rule ${parts.length - 1} times: ${mutant.find}`);
		await writeFile(path, parts.join(mutant.replace));
		try {
			const output = await this.#runGuard(mutant);
			// A rule without which the test waits for ever is missed too.
			if (output === undefined) return `it does not end within ${GUARD_MS / 1000} s`;
			if (/SyntaxError|ERR_MODULE_NOT_FOUND/.test(output)) throw new Error(`the mutant cannot be loaded: ${output}`);
			if (!/^# (pass|fail) [1-9]/m.test(output)) throw new Error(`no test is called ${mutant.guard}: ${output}`);
			return /^# fail 0$/m.test(output) ? undefined : (/error: (.*(?:\n\s{8,}.*)?)/.exec(output)?.[1] ?? output);
		} finally {
			await writeFile(path, whole);
		}
	}

	/** What the guard prints; undefined when it does not come to its end. */
	async #runGuard({ test, guard }: Mutant): Promise<string | undefined> {
		const pattern = guard === '' ? [] : ['--test-name-pattern', guard];
		const { NODE_TEST_CONTEXT: _, ...env } = process.env;
		const child = spawn(process.execPath, ['--test-reporter', 'tap', ...pattern, join(this.#home, 'dist/test', test)], {
			cwd: this.#home,
			env,
			stdio: ['ignore', 'pipe', 'inherit'],
			timeout: GUARD_MS,
			killSignal: 'SIGKILL',
		});
		const ended = once(child, 'close');
		let output = '';
		for await (const chunk of child.stdout) output += String(chunk);
		await ended;
		return child.signalCode === 'SIGKILL' ? undefined : output;
	}
}
