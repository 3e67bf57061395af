import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { type Command, CommanderError } from 'commander';
import { addGlobalOptions, commandTree } from '../../src/cli/command-tree.ts';
import { layerswarm } from '../support/layerswarm.ts';
import { tempDir } from '../support/temp-dir.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FILES = ['README.md', 'SECURITY.md', ...globSync('docs/*.md', { cwd: ROOT })];
/** Where a command line begins: of a line or a pipe, on another host, in a container. */
const COMMAND = /(?:^|[|&]\s*|^ssh \S+ |\| ssh \S+ |^sudo |^npx | -- )layerswarm (\S.*)$/;

/** Command lines of layerswarm in code blocks, as their words. */
function commandLines(text: string): string[][] {
  const blocks = text
    .split('\n')
    .filter((line) => line.startsWith('    '))
    .map((line) => line.trim().replace(/ +#.*$/, ''));
  return blocks
    .flatMap((line) => line.split(/(?=\| )/))
    .flatMap((part) => {
      const [, rest] = COMMAND.exec(part.trim()) ?? [];
      return rest === undefined || /^\d|^[A-Z]/.test(rest) ? [] : [words(rest.replace(/\s*[<>&|].*$/, ''))];
    });
}

/** Names of commands with their options, in the text. */
function mentions(text: string): string[][] {
  return [...text.matchAll(/`layerswarm ([a-z][^`\n|]*)`/g)].map(([, rest]) => words(rest!));
}

/** As a shell splits them, but for what it would put in. */
function words(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, double, single, plain]) => double ?? single ?? plain!);
}

/** The program with every command as it is, but that none does anything. */
async function idleProgram(): Promise<Command> {
  const root = await commandTree(addGlobalOptions);
  const idle = (command: Command): void => {
    command.exitOverride().configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
    if (command.commands.length === 0) command.action(() => undefined);
    for (const child of command.commands) idle(child);
  };
  idle(root);
  return root;
}

async function problemOf(line: readonly string[]): Promise<string | undefined> {
  try {
    await (await idleProgram()).parseAsync(['node', 'layerswarm', ...line]);
    return undefined;
  } catch (error) {
    if (error instanceof CommanderError && (error.code === 'commander.helpDisplayed' || error.code === 'commander.version'))
      return undefined;
    return String(error);
  }
}

/** Of what the text mentions, arguments may be left out. */
async function problemOfMention(line: readonly string[]): Promise<string | undefined> {
  const problem = await problemOf(line.filter((word) => /^[a-z-]/.test(word)));
  return problem?.includes('missing required argument') === true ||
    problem?.includes('(outputHelp)') === true ||
    problem?.includes('argument missing') === true ||
    problem?.includes('required option') === true
    ? undefined
    : problem;
}

for (const file of FILES) {
  test(`${file} has command lines that the program takes, and names files that there are`, async (t) => {
    const text = readFileSync(join(ROOT, file), 'utf8');
    for (const line of commandLines(text)) t.is(await problemOf(line), undefined, line.join(' '));
    for (const line of mentions(text)) t.is(await problemOfMention(line), undefined, line.join(' '));
    for (const [, path] of text.matchAll(/`((?:config|docs|test)\/[\w./-]+)`/g)) t.true(existsSync(join(ROOT, path!)), path);
    t.pass();
  });
}

test('what a command line must not be is seen', async (t) => {
  const text =
    '    layerswarm pull --all-of-it x   # no\n    layerswarm token | ssh HOST layerswarm join - more\n    kubectl create namespace layerswarm\n    sudo layerswarm setup nothing\n';
  const problems = await Promise.all(commandLines(text).map(problemOf));
  t.deepEqual(
    problems.map((problem) => problem?.replace(/^\w+: error: /, '').slice(0, 30)),
    ["unknown option '--all-of-it'", undefined, "too many arguments for 'join'.", "command-argument value 'nothin"],
  );
});

/** What needs neither an agent nor anything of the host but a folder, in an order in which each finds what it needs there. */
const RUNNABLE = /^(?:key swarm\.key|charter (?:keygen|sign) .*|config --example|completion .*|man|version)$/;

test('the command lines that need nothing but a folder are run', async (t) => {
  const folder = tempDir(t, 'docs');
  writeFileSync(join(folder, 'charter.yaml'), 'origin: https://registry.example\n');
  const lines = FILES.flatMap((file) => commandLines(readFileSync(join(ROOT, file), 'utf8'))).filter((line) =>
    RUNNABLE.test(line.join(' ')),
  );
  t.true(lines.length > 2, lines.map((line) => line.join(' ')).join('\n'));
  for (const line of new Set(lines.map((words) => words.join(' ')))) {
    const { code, stderr } = await layerswarm(line.split(' '), { cwd: folder });
    t.is(code, 0, `${line}: ${stderr}`);
  }
});
