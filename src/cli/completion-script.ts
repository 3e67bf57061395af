import type { Command } from 'commander';

/** A word after `layerswarm`, or after one of its commands that has commands of its own. */
interface Completed {
  /** `pull`, `disk map` */
  readonly path: string;
  readonly summary: string;
  readonly words: readonly string[];
  readonly options: readonly { readonly long: string; readonly takesValue: boolean; readonly description: string }[];
}

export function completionScript(shell: 'bash' | 'zsh' | 'fish', program: Command): string {
  const commands = program.commands.flatMap((command) => [
    completed(command, ''),
    ...command.commands.map((child) => completed(child, `${command.name()} `)),
  ]);
  const globals = completed(program, '').options;
  if (shell === 'fish') return fish(commands, globals);
  const script = bash(commands, globals);
  return shell === 'bash' ? script : `#compdef layerswarm\nautoload -U +X bashcompinit && bashcompinit\n${script}`;
}

function completed(command: Command, prefix: string): Completed {
  return {
    path: `${prefix}${command.name()}`,
    summary: command.summary(),
    words: [...command.commands.map((child) => child.name()), ...command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? [])],
    options: command.options.flatMap(({ long, required, optional, description }) =>
      long === undefined || long === null ? [] : [{ long, takesValue: required || optional, description }],
    ),
  };
}

function bash(commands: readonly Completed[], globals: Completed['options']): string {
  const names = commands.filter(({ path }) => !path.includes(' ')).map(({ path }) => path);
  const shared = globals.map(({ long }) => long);
  const cases = commands.map(
    ({ path, words, options }) =>
      `    ${JSON.stringify(path)}) words=${JSON.stringify([...words, ...options.map(({ long }) => long), ...shared].join(' '))} ;;`,
  );
  return [
    '_layerswarm() {',
    '  local current="${COMP_WORDS[COMP_CWORD]}" path="" word words',
    '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
    '    case "$word" in',
    '      -*) ;;',
    `      ${names.join('|')}) [ -z "$path" ] && path="$word" ;;`,
    '      map|mount|unmount|status|run) case "$path" in disk|replicate) path="$path $word" ;; esac ;;',
    '    esac',
    '  done',
    '  case "$path" in',
    `    "") words=${JSON.stringify([...names, ...shared, '--help', '--version'].join(' '))} ;;`,
    ...cases,
    '  esac',
    '  COMPREPLY=($(compgen -W "$words --help" -- "$current"))',
    '}',
    'complete -o default -F _layerswarm layerswarm',
    '',
  ].join('\n');
}

function fish(commands: readonly Completed[], globals: Completed['options']): string {
  const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const option = (condition: string, { long, takesValue, description }: Completed['options'][number]): string =>
    `complete -c layerswarm${condition} -l ${long.slice(2)}${takesValue ? ' -r' : ''} -d ${quoted(description)}`;
  return [
    ...globals.map((each) => option('', each)),
    ...commands.flatMap(({ path, summary, words, options }) => {
      const [name, child] = path.split(' ');
      const seen = `__fish_seen_subcommand_from ${name!}${child === undefined ? '' : `; and __fish_seen_subcommand_from ${child}`}`;
      return [
        ...(child === undefined ? [`complete -c layerswarm -n __fish_use_subcommand -f -a ${name!} -d ${quoted(summary)}`] : []),
        ...words.map((word) => `complete -c layerswarm -n '${seen}' -f -a ${word}`),
        ...options.map((each) => option(` -n '${seen}'`, each)),
      ];
    }),
    '',
  ].join('\n');
}
