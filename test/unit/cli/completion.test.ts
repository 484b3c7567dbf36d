import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { buildProgram } from '../../../src/cli/main.js';
import { runCli } from '../../support/processes.js';

const run = promisify(execFile);

/** Why a shell cannot be asked here; false when it can. */
async function absence(shell: string): Promise<string | false> {
	return run(shell, ['-c', 'true']).then(
		() => false,
		() => `${shell} is not installed`,
	);
}

async function scriptFor(shell: string): Promise<string> {
	const { code, stdout } = await runCli(['completion', shell]);
	assert.equal(code, 0);
	return stdout.toString();
}

const absent = { bash: await absence('bash'), zsh: await absence('zsh'), fish: await absence('fish') };

describe('perigee completion', () => {
	it('bash completes verbs, their choices, and flags', { skip: absent.bash }, async () => {
		const script = await scriptFor('bash');
		const complete = async (...words: string[]): Promise<string[]> => {
			const ask = `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _perigee; printf '%s\\n' "\${COMPREPLY[@]}"`;
			const { stdout } = await run('bash', ['-c', ask, 'bash', 'perigee', ...words]);
			return stdout.split('\n').filter((word) => word !== '');
		};
		assert.deepEqual(
			(await complete('')).sort(),
			buildProgram()
				.commands.map((command) => command.name())
				.sort(),
		);
		assert.deepEqual(await complete('up'), ['upload']);
		assert.deepEqual((await complete('scrub', '')).sort(), ['pause', 'start', 'status']);
		assert.deepEqual(await complete('config', 'p'), ['print']);
		assert.deepEqual(await complete('config', 'e'), ['explain']);
		assert.ok((await complete('start', '--')).includes('--config'));
		assert.ok((await complete('upload', '--')).includes('--name'));
		assert.deepEqual(await complete('upload', 'READ'), [], 'files are the shell’s own');
	});

	for (const shell of ['bash', 'zsh', 'fish'] as const) {
		it(`the script for ${shell} is one that the shell understands`, { skip: absent[shell] }, async () => {
			await run(shell, ['-n', '-c', await scriptFor(shell)]);
		});
	}

	it('refuses a shell that it does not know', async () => {
		assert.equal((await runCli(['completion', 'csh'])).code, 2);
	});
});
