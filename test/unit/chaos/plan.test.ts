import test from 'ava';
import { drawPlan, IMAGES, LIES, type Plan, readPlan, stepText, without } from '../../chaos/plan.ts';
import { shrink } from '../../chaos/shrink.ts';

test('a seed is a plan, whenever it is drawn, and a plan survives its file', (t) => {
  for (const seed of [1, 2, 3, 20_261_127]) {
    t.deepEqual(drawPlan(seed), drawPlan(seed));
    t.deepEqual(readPlan(JSON.stringify(drawPlan(seed))), drawPlan(seed));
  }
  t.notDeepEqual(drawPlan(1).steps, drawPlan(2).steps);
  t.throws(() => readPlan('{"seed": 1}'), { message: /nodes/ });
});

test('what is known to be broken can be left out of a plan', (t) => {
  const plan = {
    ...drawPlan(1),
    liars: [
      { node: 3, lies: ['flood', 'dial'] },
      { node: 2, lies: ['flood'] },
    ],
  } satisfies Plan;
  const left = without(plan, ['flood', 'flip']);
  t.deepEqual(left.liars, [{ node: 3, lies: ['dial'] }]);
  t.deepEqual(
    left.steps,
    plan.steps.filter(({ kind }) => kind !== 'flip'),
  );
});

test('a thousand plans have every kind of trouble, and none that cannot be played', (t) => {
  const kinds = new Set<string>();
  const lies = new Set<string>();
  for (let seed = 0; seed < 1000; seed++) {
    const { nodes, images, auto, liars, steps } = drawPlan(seed);
    t.true(nodes >= 4 && nodes <= 12);
    t.true(images.length > 0 && images.every((image) => IMAGES[image] !== undefined));
    t.false(auto.includes(0), 'somebody knows the origin');
    for (const liar of liars) {
      for (const lie of liar.lies) lies.add(lie);
      t.false(auto.includes(liar.node));
      t.false(steps.some((step) => 'node' in step && step.node === liar.node));
    }
    for (const step of steps) {
      kinds.add(step.kind);
      t.true(stepText(step).length > 0);
      if ('node' in step) t.true(step.node >= 0 && step.node < nodes);
    }
  }
  t.deepEqual([...kinds].sort(), [
    'disk-error',
    'disk-full',
    'disk-read-only',
    'flip',
    'freeze',
    'kill',
    'origin-fault',
    'origin-kill',
    'pull',
    'restart',
    'slow',
    'split',
    'strangers',
    'unplug',
  ]);
  t.deepEqual([...lies].sort(), [...LIES].sort());
});

test('a plan that fails shrinks to the steps that it needs, within the tries that it has', async (t) => {
  const plan = drawPlan(20_261_127);
  const [first, second] = [plan.steps[1]!, plan.steps.at(-2)!];
  let tries = 0;
  const fails = (candidate: Plan): Promise<boolean> => {
    tries += 1;
    return Promise.resolve(candidate.steps.includes(first) && candidate.steps.includes(second));
  };
  const smallest = await shrink(plan, fails, 100);
  t.deepEqual(smallest.steps, [first, second]);
  t.true(tries <= 100);
  tries = 0;
  t.true((await shrink(plan, fails, 2)).steps.includes(first));
  t.is(tries, 2);
});
