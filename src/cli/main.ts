/** `perigee <verb>`: the command line. Each verb's code is loaded when it is called, so that the quick ones start quickly. */
import { Argument, Command, CommanderError, Option } from 'commander';
import { OFFICIAL_FLAGS } from '../config/official/flags.js';
import { packageVersion } from '../config/version.js';
import type { BenchVerbOptions } from './bench.js';
import type { Shell } from './completion.js';
import type { ConfigAction } from './config.js';
import type { DownloadVerbOptions } from './download.js';
import type { ErrorsVerbOptions } from './errors.js';
import { CliError, EXIT_CODES } from './exit-codes.js';
import { exampleText } from './help-examples.js';
import type { InfoVerbOptions } from './info.js';
import type { ListVerbOptions } from './list.js';
import type { MineAction, MineVerbOptions } from './mine.js';
import { withVerb } from './official.js';
import { type OutputOptions, reportFailure } from './output.js';
import type { RemoveVerbOptions } from './remove.js';
import type { RebuildVerbOptions } from './rebuild.js';
import type { VerifyVerbOptions } from './root.js';
import type { ScrubAction, ScrubVerbOptions } from './scrub.js';
import type { StartVerbOptions } from './start.js';
import type { StatusVerbOptions } from './status.js';
import type { TokenAction, TokenVerbOptions } from './token.js';
import type { TopVerbOptions } from './top.js';
import type { UploadVerbOptions } from './upload.js';

/** Runs one verb and sets the exit code of the process (exit-codes.ts). */
export async function main(argv: readonly string[]): Promise<void> {
	const json = isJsonWanted(argv);
	process.stdout.on('error', (error: NodeJS.ErrnoException) => {
		// A reader that has seen enough (`| head`) is no failure of ours.
		if (error.code === 'EPIPE') process.exit(0);
		const what = `standard output cannot be written (${error.code ?? error.message})`;
		process.exit(reportFailure(new CliError('failure', what), json));
	});
	try {
		await buildProgram(json).parseAsync([...withVerb(argv)], { from: 'user' });
	} catch (error) {
		if (!(error instanceof CommanderError)) process.exitCode = reportFailure(error, json);
		else if (error.exitCode === 0) process.exitCode = EXIT_CODES.ok.code;
		else process.exitCode = json ? reportFailure(usageError(error), true) : EXIT_CODES.usage.code;
	}
}

/** Asked for before the command line is understood: also what is wrong with it is then told as JSON. */
function isJsonWanted(argv: readonly string[]): boolean {
	const end = argv.indexOf('--');
	return (end < 0 ? argv : argv.slice(0, end)).includes('--json');
}

function usageError({ code, message }: CommanderError): CliError {
	const isHelp = code === 'commander.help' || code === 'commander.helpDisplayed';
	return new CliError('usage', isHelp ? 'a verb is missing' : message.replace(/^error: /, ''), {
		hint: 'perigee --help lists the verbs, perigee <verb> --help their flags.',
	});
}

/** All verbs with their flags. `isQuiet`: what is wrong with a command line is not printed, only thrown. */
export function buildProgram(isQuiet = false): Command {
	const program = new Command('perigee')
		.description('Storage node for AI data: durable, Merkle-committed files.')
		.version(packageVersion())
		.exitOverride()
		.configureOutput(isQuiet ? { writeErr: () => undefined } : {})
		.showHelpAfterError('(perigee <verb> --help tells more)')
		.addHelpText('after', `\nExit codes:\n${exitCodeLines().join('\n')}`);
	addNodeVerbs(program);
	addLocalVerbs(program);
	addOperatorVerbs(program);
	for (const command of program.commands) command.addHelpText('after', exampleText(command.name()));
	return program;
}

function addNodeVerbs(program: Command): void {
	client(program.command('upload'))
		.description('store files and directories; prints the data root of each')
		.argument('<file...>', 'files or directories to store; - is standard input')
		.option('--name <name>', 'store one file, or directory, under this name')
		.option('--type <media type>', 'media type of the files')
		.option('--rpc <url>', 'pay for the files, where the node follows a chain and does not: an endpoint of the chain')
		.option('--key-file <file>', 'with --rpc: the private key that pays, or a keystore; nobody else may read it')
		.option('--max-gas-price <gwei>', 'with --rpc: most that a unit of gas may cost; 500 when absent')
		.option('--max-fee <wei>', 'with --rpc: most that all files may cost, without gas; 10^13 a sector when absent')
		.option('--flow <address>', 'with --rpc: the only contract that is paid; the one that the node follows when absent')
		.action(async (files: string[], options: UploadVerbOptions) =>
			(await import('./upload.js')).upload(files, options),
		);
	client(program.command('download'))
		.description('fetch a file, or a directory with --out; verify it against its data root, then give it its name')
		.argument('<root>', 'data root')
		.option('-o, --output <path>', 'file or directory; - is standard output, verified segment by segment')
		.option('--out <dir>', 'unpack a directory here; files that are here already, whole, are not fetched again')
		.addOption(
			new Option('--links <rule>', 'with --out: skip or keep links that lead out of it').choices(['skip', 'keep']),
		)
		.option('-f, --force', 'overwrite files that are there')
		.action(async (root: string, options: DownloadVerbOptions) =>
			(await import('./download.js')).download(root, options),
		);
	client(program.command('info'))
		.description('tell what the node knows about a file')
		.argument('<root|txSeq>', 'data root, or sequence number of a submission')
		.action(async (what: string, options: InfoVerbOptions) => (await import('./info.js')).info(what, options));
	client(program.command('ls'))
		.description(
			'list the files that the node knows: root, sequence number, bytes, time, name; or what a directory holds',
		)
		.argument('[prefix]', 'only names that begin so; or <root>[/path] of a directory', '')
		.option('--newest', 'newest first')
		.option('--limit <lines>', 'so many at most')
		.option('--submissions', 'each submission, under the name of the upload that made it')
		.option('--deleted', 'also files that were deleted')
		.action(async (prefix: string, options: ListVerbOptions) => (await import('./list.js')).list(prefix, options));
	client(program.command('rm'))
		.description('delete the content of files on the node; their submissions and names stay')
		.argument('<root...>', 'data roots')
		.action(async (roots: string[], options: RemoveVerbOptions) =>
			(await import('./remove.js')).remove(roots, options),
		);
	client(program.command('ping'))
		.description('tell whether the node answers, and how fast')
		.action(async (options: StatusVerbOptions) => (await import('./status.js')).ping(options));
	client(program.command('status'))
		.description('tell how the node is; exit code 7 when it takes no uploads')
		.action(async (options: StatusVerbOptions) => (await import('./status.js')).status(options));
	client(program.command('top'))
		.description('show how the node does, refreshed each second: rates, delays, queues, disks, log, health')
		.option('--once', 'one refresh, then end')
		.option('--interval <seconds>', 'time between two refreshes', '1')
		.action(async (options: TopVerbOptions) => (await import('./top.js')).top(options));
}

function addLocalVerbs(program: Command): void {
	output(program.command('root'))
		.description('compute the data root of a local file; no node is needed')
		.argument('<file>')
		.action(async (file: string, options: OutputOptions) => (await import('./root.js')).root(file, options));
	output(program.command('verify'))
		.description('check that a local file has a data root; no node is needed')
		.argument('<file>')
		.requiredOption('--root <root>', 'data root that it should have')
		.action(async (file: string, options: VerifyVerbOptions) => (await import('./root.js')).verify(file, options));
	program
		.command('completion')
		.description('print a script that completes verbs and flags: source <(perigee completion bash)')
		.addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish'] satisfies Shell[]))
		.action(async (shell: Shell) => (await import('./completion.js')).completion(shell, program));
}

function addOperatorVerbs(program: Command): void {
	nodeFlags(output(program.command('start')))
		.description('run a node; perigee --config <file> does the same')
		.action(async (options: StartVerbOptions) => (await import('./start.js')).start(options));
	nodeFlags(output(program.command('config')))
		.description(
			'check or print the configuration that a start with the same flags would take; check refuses what it would refuse, explain tells what the file of a 0G storage node means here',
		)
		.addArgument(new Argument('<action>').choices(['check', 'print', 'explain'] satisfies ConfigAction[]))
		.argument('[file]', 'configuration file, as with --config')
		.action(async (action: ConfigAction, file: string | undefined, options: StartVerbOptions) =>
			(await import('./config.js')).config(action, file, options),
		);
	output(program.command('token'))
		.description('make, list or remove tokens of a node; one that runs takes notice by itself')
		.addArgument(new Argument('<action>').choices(['create', 'ls', 'rm']))
		.argument('[name...]', 'name of the token, of several to remove')
		.option('--scope <scope>', 'what it is good for: read, write or admin; repeat it for several', collect)
		.option('--max-bytes <bytes>', 'bytes that may be uploaded with it in auth.quotaWindowMs, a day')
		.option('--requests-per-second <count>', 'requests that may be made with it')
		.option('--data-dir <dir>', 'where the node keeps its data', collect)
		.option('--config <file>', 'configuration file (TOML)')
		.action(async (action: TokenAction, names: string[], options: TokenVerbOptions) =>
			(await import('./token.js')).token(action, names, options),
		);
	output(program.command('rebuild'))
		.description('make the view anew from the log files; the node must be stopped')
		.option('--data-dir <dir>', 'where the node keeps its data; repeat it for further disks', collect)
		.option('--config <file>', 'configuration file (TOML)')
		.option('--give-up-lost', 'log files, disks and stretches that are lost no longer count as missing, for good')
		.action(async (options: RebuildVerbOptions) => (await import('./rebuild.js')).rebuild(options));
	admin(program.command('scrub'))
		.description('check everything that a running node stores against its checksums, in the background')
		.addArgument(new Argument('<action>').choices(['start', 'pause', 'status']))
		.action(async (action: ScrubAction, options: ScrubVerbOptions) =>
			(await import('./scrub.js')).scrub(action, options),
		);
	admin(program.command('mine'))
		.description('tell why a running node mines or does not, and what it earns; stop it, and start it again')
		.addArgument(new Argument('<action>').choices(['status', 'start', 'stop'] satisfies MineAction[]))
		.action(async (action: MineAction, options: MineVerbOptions) => (await import('./mine.js')).mine(action, options));
	admin(program.command('errors'))
		.description('list what a running node knows to be damaged, one place a line')
		.addArgument(new Argument('<action>').choices(['list']))
		.action(async (_action: string, options: ErrorsVerbOptions) => (await import('./errors.js')).listErrors(options));
	output(program.command('bench'))
		.description('measure this machine: hashing, disk, HTTP')
		.option('--full', 'all measurements at full length')
		.option('--only <row>', 'only this measurement; repeat it for further ones', collect)
		.action(async (options: BenchVerbOptions) => (await import('./bench.js')).bench(options));
}

function nodeFlags(command: Command): Command {
	for (const [name, key] of Object.entries(OFFICIAL_FLAGS))
		command.addOption(new Option(`--${name} <value>`, `${key} of the configuration of a 0G storage node`).hideHelp());
	return command
		.option('--data-dir <dir>', 'where it keeps its data; repeat it for further disks', collect)
		.option('--http <host:port>', 'where REST, metrics and health listen; port 0 picks a free one')
		.option('--admin <place>', 'where administration listens: host:port, or unix:path')
		.option('--grpc <host:port>', 'where gRPC listens')
		.option('-c, --config <file>', 'configuration file (TOML), of Perigee or of a 0G storage node')
		.option('--mine', 'seal and mine what is stored, for the settlement that the node follows')
		.option('--log-level <level>', 'least severe messages that are logged');
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
	return [...before, value];
}

function output(command: Command): Command {
	return command.option('--json', 'print results as JSON').option('--quiet', 'no progress');
}

function client(command: Command): Command {
	return identified(command).option(
		'--node <url>',
		'address of the node (default: PERIGEE_NODE, else http://127.0.0.1:5678)',
	);
}

function admin(command: Command): Command {
	return identified(command).option(
		'--admin <url>',
		'address of its admin listener, or unix:path (default: PERIGEE_ADMIN, else http://127.0.0.1:5679)',
	);
}

function identified(command: Command): Command {
	return output(command).option(
		'--token-file <file>',
		'file with the token to show (default: the token in PERIGEE_TOKEN)',
	);
}

function exitCodeLines(): string[] {
	return Object.values(EXIT_CODES).map(({ code, meaning }) => `  ${code}  ${meaning}`);
}
