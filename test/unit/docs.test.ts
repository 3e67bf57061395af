import { existsSync, globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { Command } from 'commander';
import { addGlobalOptions, commandTree } from '../../src/cli/command-tree.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Command lines of layerswarm in code blocks and in the text, as words. */
function commandLines(text: string): string[][] {
  const blocks = text.split('\n').filter((line) => line.startsWith('    '));
  const inline = [...text.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code!);
  return [...blocks, ...inline].flatMap((line) => [...line.matchAll(/(?:^|[\s|])layerswarm ((?:[^#|\s]+ ?)+)/g)].map(([, rest]) => rest!.trim().split(/\s+/)));
}

function problemOf(words: readonly string[], root: Command): string | undefined {
  let command = root;
  for (const word of words) {
    const child = command.commands.find((child) => child.name() === word);
    if (child === undefined) break;
    command = child;
  }
  if (command === root) return `no command ${words[0]}`;
  const known = ['--help', '-h', '--version', '-V', ...[...command.options, ...root.options].flatMap(({ short, long }) => [short, long])];
  const unknown = words.filter((word) => /^--?[a-z]/.test(word)).map((word) => word.replace(/=.*/, '')).find((word) => !known.includes(word));
  return unknown === undefined ? undefined : `${command.name()} has no ${unknown}`;
}

for (const file of ['README.md', ...globSync('docs/*.md', { cwd: ROOT })]) {
  test(`${file} names commands and options that there are, and files that there are`, async (t) => {
    const text = readFileSync(join(ROOT, file), 'utf8');
    const root = await commandTree(addGlobalOptions);
    const lines = commandLines(text).filter(([first]) => first !== undefined && /^[a-z]+$/.test(first));
    for (const words of lines) t.is(problemOf(words, root), undefined, words.join(' '));
    for (const [, path] of text.matchAll(/`((?:config|docs|test)\/[\w./-]+)`/g)) t.true(existsSync(join(ROOT, path!)), path);
    t.pass();
  });
}
