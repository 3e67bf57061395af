import { type CommandEntry, everyCommand, type OptionEntry } from './command-tree.ts';

/** A script that completes command lines in one shell, made of the commands as they are. */
export function completionScript(shell: 'bash' | 'zsh' | 'fish', program: CommandEntry): string {
  return { bash, zsh, fish }[shell](program);
}

/** `/disk/map`: how the scripts name the command that is being typed. */
function key({ path }: CommandEntry): string {
  return path.map((name) => `/${name}`).join('');
}

/** What may stand after a command where no option does: its commands, or its first argument's choices. */
function wordsOf({ commands, arguments: [first] }: CommandEntry): readonly { readonly word: string; readonly about: string }[] {
  if (commands.length > 0) return commands.map(({ path, summary }) => ({ word: path.at(-1)!, about: summary }));
  return (first?.choices ?? []).map((word) => ({ word, about: first!.description }));
}

function allOptions(command: CommandEntry, program: CommandEntry): readonly OptionEntry[] {
  return command === program ? program.options : [...command.options, ...program.options.filter(({ names }) => !names.includes('--version'))];
}

/** Follows the words before the cursor as far as they are commands. */
function follow(program: CommandEntry): string {
  return [...everyCommand(program)].filter(({ path }) => path.length > 0).map(key).join('|');
}

function bash(program: CommandEntry): string {
  const rows = [...everyCommand(program)].map((command) => {
    const options = allOptions(command, program);
    const values = options.filter(({ takesValue }) => takesValue).map(({ names, choices }) => `        ${names.join('|')}) words='${choices.join(' ')}'; options= ;;\n`);
    return `    '${key(command)}')\n      words='${wordsOf(command).map(({ word }) => word).join(' ')}'\n      options='${options.flatMap(({ names }) => names).join(' ')}'\n${values.length === 0 ? '' : `      case $previous in\n${values.join('')}      esac\n`}      ;;\n`;
  });
  return `# bash completion of layerswarm
_layerswarm() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command= words= options= word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $command/$word in
      ${follow(program)}) command=$command/$word ;;
    esac
  done
  case $command in
${rows.join('')}  esac
  case $current in
    -*) words=$options ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o default -F _layerswarm layerswarm
`;
}

function zsh(program: CommandEntry): string {
  const item = (word: string, about: string): string => `'${`${word.replaceAll(':', '\\:')}:${about}`.replaceAll('\'', '\'\\\'\'')}'`;
  const rows = [...everyCommand(program)].map((command) => [
    `    ('${key(command)}')`,
    `      words_here=(${wordsOf(command).map(({ word, about }) => item(word, about)).join(' ')})`,
    `      options=(${allOptions(command, program).flatMap(({ names, description }) => names.map((name) => item(name, description))).join(' ')})`,
    '      ;;',
  ].join('\n'));
  return `#compdef layerswarm
# zsh completion of layerswarm
_layerswarm() {
  local command= word
  local -a words_here options
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case $command/$word in
      (${follow(program)}) command=$command/$word ;;
    esac
  done
  case $command in
${rows.join('\n')}
  esac
  if [[ $words[CURRENT] == -* ]]; then
    _describe -t options option options
  elif (( $#words_here )); then
    _describe -t words word words_here
  else
    _files
  fi
}
if [[ $funcstack[1] == _layerswarm ]]; then _layerswarm "$@"; else compdef _layerswarm layerswarm; fi
`;
}

function fish(program: CommandEntry): string {
  const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll('\'', '\\\'')}'`;
  const option = (condition: string, { names, takesValue, choices, description }: OptionEntry): string => [
    'complete -c layerswarm', condition,
    ...names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`)),
    ...(takesValue ? ['-r'] : []), ...(choices.length === 0 ? [] : [`-f -a ${quote(choices.join(' '))}`]),
    `-d ${quote(description)}`,
  ].filter((part) => part !== '').join(' ');
  const lines = [...everyCommand(program)].flatMap((command) => {
    const children = command.commands.map(({ path }) => path.at(-1)!);
    const here = [
      ...command.path.map((name) => `__fish_seen_subcommand_from ${name}`),
      ...(children.length === 0 ? [] : [`not __fish_seen_subcommand_from ${children.join(' ')}`]),
    ].join('; and ');
    const words = wordsOf(command).map(({ word, about }) => `complete -c layerswarm -n ${quote(here)} -f -a ${quote(word)} -d ${quote(about)}`);
    // an option of the program itself may stand anywhere
    return [...words, ...command.options.map((entry) => option(command === program ? '' : `-n ${quote(here)}`, entry))];
  });
  return `# fish completion of layerswarm\n${lines.join('\n')}\n`;
}
