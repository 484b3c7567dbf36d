/** `perigee completion <shell>`: a script that completes verbs, their choices and flags; made from the same table as the help. */
import type { Command } from 'commander';

export type Shell = 'bash' | 'zsh' | 'fish';

interface Verb {
	readonly name: string;
	readonly description: string;
	/** Words that its arguments are chosen from. */
	readonly choices: readonly string[];
	readonly flags: readonly { readonly name: string; readonly description: string }[];
}

/** Prints the script. */
export function completion(shell: Shell, program: Command): void {
	const verbs = program.commands.map(verbOf);
	process.stdout.write(shell === 'fish' ? fishScript(verbs) : `${shell === 'zsh' ? ZSH_HEAD : ''}${bashScript(verbs)}`);
}

function verbOf(command: Command): Verb {
	return {
		name: command.name(),
		description: command.description(),
		choices: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
		flags: command.options.map(({ long, description }) => ({ name: long ?? '', description })),
	};
}

/** zsh runs the functions of bash. */
const ZSH_HEAD = 'autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n';

/** Files are what the shell offers where there is nothing to choose from. */
function bashScript(verbs: readonly Verb[]): string {
	const cases = verbs.map(({ name, choices, flags }) => {
		const names = flags.map((flag) => flag.name).join(' ');
		return `\t\t${name}) words="${choices.join(' ')}"; flags="${names}" ;;`;
	});
	return `_perigee() {
	local cur="\${COMP_WORDS[COMP_CWORD]}" words="" flags=""
	if [ "$COMP_CWORD" -eq 1 ]; then
		COMPREPLY=($(compgen -W "${verbs.map(({ name }) => name).join(' ')}" -- "$cur"))
		return
	fi
	case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
	esac
	case "$cur" in
		-*) COMPREPLY=($(compgen -W "$flags" -- "$cur")) ;;
		*) COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
	esac
}
complete -o default -F _perigee perigee
`;
}

function fishScript(verbs: readonly Verb[]): string {
	const lines: string[] = [];
	for (const { name, description, choices, flags } of verbs) {
		lines.push(`complete -c perigee -n __fish_use_subcommand -f -a ${name} -d ${quoted(description)}`);
		const seen = `-n '__fish_seen_subcommand_from ${name}'`;
		if (choices.length > 0) lines.push(`complete -c perigee ${seen} -f -a '${choices.join(' ')}'`);
		for (const flag of flags)
			lines.push(`complete -c perigee ${seen} -l ${flag.name.slice('--'.length)} -d ${quoted(flag.description)}`);
	}
	return `${lines.join('\n')}\n`;
}

function quoted(text: string): string {
	return `'${text.replaceAll('\\', '\\\\').replaceAll("'", String.raw`\'`)}'`;
}
