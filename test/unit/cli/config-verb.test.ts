import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { SETTINGS } from '../../../src/config/schema.js';
import { runCli, temporaryDirectory } from '../../support/processes.js';

describe('perigee config', () => {
	it('print shows each setting with its origin, as a file that says the same', async (t) => {
		const directory = temporaryDirectory(t);
		const file = join(directory, 'perigee.toml');
		writeFileSync(file, 'http = "127.0.0.1:7000"\n[storage]\ndataDirs = ["/b", "/c"]\n[log]\nlevel = "warn"\n');
		const env = { PERIGEE_LOG_LEVEL: 'debug' };
		const args = ['config', 'print', '--config', file, '--admin', '127.0.0.1:7001'];
		const printed = await runCli(args, { env });
		assert.deepEqual([printed.code, printed.stderr], [0, '']);
		const text = printed.stdout.toString();
		assert.ok(text.includes(`http = "127.0.0.1:7000" # ${file}:1\n`), text);
		assert.ok(text.includes('admin = "127.0.0.1:7001" # --admin\n'));
		assert.ok(text.includes(`[storage]\ndataDirs = ["/b","/c"] # ${file}:3\n`));
		assert.ok(text.includes('reserveBytes = 0 # default\n'));
		assert.ok(text.includes('level = "debug" # PERIGEE_LOG_LEVEL\n'));
		const again = join(directory, 'again.toml');
		writeFileSync(again, printed.stdout);
		const settingsOf = async (options: readonly string[]): Promise<unknown> => {
			const { stdout } = await runCli(['config', 'print', '--json', ...options], { env });
			const { settings } = JSON.parse(stdout.toString()) as { settings: { key: string; value: unknown }[] };
			assert.equal(settings.length, SETTINGS.length);
			return settings.map(({ key, value }) => [key, value]);
		};
		assert.deepEqual(await settingsOf(['--config', again, ...args.slice(4)]), await settingsOf(args.slice(2)));
	});

	it('check says what is wrong and where, and what may be meant', async (t) => {
		const file = join(temporaryDirectory(t), 'perigee.toml');
		writeFileSync(file, '[storage]\nreserveBytes = 5\n');
		const right = await runCli(['config', 'check', '--config', file, '--json']);
		const { changed, ...rest } = JSON.parse(right.stdout.toString()) as { changed: number };
		assert.deepEqual(rest, { ok: true, settings: SETTINGS.length });
		assert.ok(changed >= 1);
		writeFileSync(file, '[storage]\nreserveByte = 5\n');
		const wrong = await runCli(['config', 'check', '--config', file]);
		assert.equal(wrong.code, 2);
		assert.match(
			wrong.stderr,
			/perigee\.toml:2: no setting is called storage\.reserveByte; did you mean storage\.reserveBytes\?/,
		);
	});
});
