import type { Plan } from './plan.ts';

/**
 * A plan with as few steps, nodes and lies as still fail, by leaving out halves, quarters and so on of its steps. A run of real programs
 * need not fail each time: what does not fail again is taken for needed.
 * @param tries how often a plan is played at most
 */
export async function shrink(plan: Plan, fails: (plan: Plan) => Promise<boolean>, tries: number): Promise<Plan> {
  let smallest = plan;
  let left = tries;
  for (let size = Math.ceil(plan.steps.length / 2); size >= 1 && left > 0; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < smallest.steps.length && left > 0;) {
      const candidate = { ...smallest, steps: smallest.steps.toSpliced(at, size) };
      left -= 1;
      if (candidate.steps.length > 0 && (await fails(candidate))) smallest = candidate;
      else at += size;
    }
  }
  if (smallest.liars.length > 0 && left > 0 && (await fails({ ...smallest, liars: [] }))) smallest = { ...smallest, liars: [] };
  return smallest;
}
