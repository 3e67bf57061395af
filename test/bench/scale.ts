import { CASES } from '../sim/cases.ts';
import { simulateCrowd } from '../sim/crowd.ts';
import { timesBound } from '../sim/scenario.ts';
import { readNumber, scriptArguments } from '../support/script-arguments.ts';

const USAGE = `The picking and leasing of the node in a discrete-event simulator: how far from the bound crowds of any size are. A table on stdout, its
rows as they come; 1,000 hosts take a minute of CPU a case, 10,000 ten and 2.5 GB.
  node test/bench/scale.ts [--nodes 8,16,32,100,1000,10000] [--mib 64] [--cases equal]`;

/** From here on only the first case is simulated, unless cases are named. */
const MANY = 5000;

const OPTIONS = {
  options: {
    nodes: { type: 'string', default: '8,16,32,100,1000,10000' },
    mib: { type: 'string', default: '64' },
    cases: { type: 'string' },
  },
} as const;
const { sizes, mib, cases } = scriptArguments(USAGE, OPTIONS, ({ values }) => ({
  sizes: values.nodes.split(',').map((count) => readNumber('--nodes', count, 1)),
  mib: readNumber('--mib', values.mib, 1),
  cases: partOfName(values.cases),
}));
process.stdout.write(
  '| hosts | case | median, × bound | last, × bound | origin copies | copies into a zone | received twice, % | control messages a host | control KiB a host | messages to the busiest |\n',
);
process.stdout.write(`|${'---|'.repeat(10)}\n`);
for (const nodes of sizes) {
  for (const [name, make] of Object.entries(CASES)) {
    if (cases === undefined ? nodes >= MANY && name !== Object.keys(CASES)[0] : !name.includes(cases)) continue;
    process.stdout.write(`| ${nodes} | ${name} | ${measure(make(nodes, mib << 20)).join(' | ')} |\n`);
  }
}

/** A part of the names of the cases that are wanted. @throws Error where no case has it */
function partOfName(part: string | undefined): string | undefined {
  const names = Object.keys(CASES);
  if (part === undefined || names.some((name) => name.includes(part))) return part;
  throw new Error(`--cases expects a part of one of: ${names.join('; ')}; received "${part}"`);
}

function measure(scenario: ReturnType<(typeof CASES)[string]>): string[] {
  const result = simulateCrowd(scenario);
  const times = timesBound(scenario, result)
    .filter((time) => time !== undefined)
    .sort((a, b) => a - b);
  return [
    times[times.length >> 1]!.toFixed(2),
    Number.isFinite(result.lastSeconds) ? times.at(-1)!.toFixed(2) : 'never',
    result.originCopies.toFixed(3),
    result.zoneCopies === 0 ? '–' : result.zoneCopies.toFixed(2),
    (result.duplicates * 100).toFixed(2),
    result.messages.toFixed(0),
    (result.controlBytes / 1024).toFixed(0),
    result.mostMessages.toFixed(0),
  ];
}
