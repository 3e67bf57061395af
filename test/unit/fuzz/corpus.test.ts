import test from 'ava';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FuzzTarget, tryInput } from '../../fuzz/target.ts';
import { TARGETS } from '../../fuzz/targets.ts';

const CORPUS = join(import.meta.dirname, '../../fuzz/corpus');

/** What the fuzzer kept since it reaches a part of the parser that nothing shorter does, and what it once found. */
function inputsOf(target: FuzzTarget): Buffer[] {
  const folder = join(CORPUS, target.name);
  return [
    ...target.seeds().map((seed) => Buffer.from(seed)),
    ...(existsSync(folder) ? readdirSync(folder).map((file) => readFileSync(join(folder, file))) : []),
  ];
}

for (const target of TARGETS) {
  test(`${target.name}: every input of the corpus is read, or refused in words of the parser's own`, async (t) => {
    const inputs = inputsOf(target);
    t.true(inputs.length > 0);
    for (const input of inputs)
      await t.notThrowsAsync(async () => {
        await tryInput(target, input);
      });
  });
}

test('the corpora are of parsers that there are, and small', (t) => {
  const names = new Set(TARGETS.map(({ name }) => name));
  for (const entry of readdirSync(CORPUS, { withFileTypes: true, recursive: true })) {
    if (entry.isDirectory()) t.true(names.has(entry.name), entry.name);
    else t.true(readFileSync(join(entry.parentPath, entry.name)).length <= 16_384, join(entry.parentPath, entry.name));
  }
});
