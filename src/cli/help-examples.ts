/** Examples of the help texts. A test runs every one of them, in a directory with `hello.txt` and `greetings/hello.txt`, which the node holds too. */
import { EXAMPLE_DIRECTORY_ROOT as DIRECTORY, EXAMPLE_ROOT as ROOT } from '../api/rest/examples.js';

export const HELP_EXAMPLES: Readonly<Record<string, readonly string[]>> = {
	upload: [
		'perigee upload hello.txt',
		'perigee upload greetings --json',
		'tar -c greetings | perigee upload - --name greetings.tar --type application/x-tar',
	],
	download: [
		`perigee download ${ROOT} -o copy.txt`,
		`perigee download ${ROOT} -o - | wc -c`,
		`perigee download ${DIRECTORY} --out copy`,
	],
	info: [`perigee info ${ROOT}`, 'perigee info 0 --json'],
	ls: ['perigee ls', 'perigee ls hello --newest --limit 20', `perigee ls ${DIRECTORY}`],
	rm: [`perigee rm ${ROOT}`],
	ping: ['perigee ping --node http://127.0.0.1:5678'],
	status: ['perigee status', 'perigee status --json'],
	top: ['perigee top --once', 'perigee top --json --interval 1 | head -n 2'],
	root: ['perigee root hello.txt'],
	verify: [`perigee verify hello.txt --root ${ROOT}`],
	completion: ['source <(perigee completion bash)', 'perigee completion fish > perigee.fish'],
	start: [
		'perigee start',
		'perigee start --data-dir disk1 --data-dir disk2 --log-level warn',
		'PERIGEE_DATA_DIR=data perigee start --json',
		'perigee --config perigee.toml',
	],
	config: [
		'perigee config check --data-dir data',
		'perigee config print --log-level debug > perigee.toml',
		'perigee config explain config.toml',
	],
	rebuild: ['perigee rebuild --data-dir data'],
	token: [
		'perigee token create alice --scope read --scope write --data-dir data',
		'perigee token create robot --scope write --data-dir data && perigee token ls --data-dir data',
		'perigee token create old --scope read --data-dir data && perigee token rm old --data-dir data',
	],
	scrub: ['perigee scrub start', 'perigee scrub status --json', 'perigee scrub pause'],
	mine: ['perigee mine status', 'perigee mine status --json'],
	errors: ['perigee errors list --json'],
	bench: ['perigee bench --only keccak-8'],
};

/** What stands behind the flags of a verb. */
export function exampleText(verb: string): string {
	const lines = (HELP_EXAMPLES[verb] ?? []).map((line) => `  ${line}`);
	return lines.length === 0 ? '' : `\nExamples:\n${lines.join('\n')}`;
}
