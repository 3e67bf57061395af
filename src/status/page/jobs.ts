import type { SwarmJob } from '../swarm-document.ts';
import { bodyOf, el, fill, setAttribute, setClass, setText } from './dom.ts';
import { matches } from './filter.ts';
import { ago, size } from './format.ts';
import type { Model } from './model.ts';

const KINDS = { seed: 'Seed', preheat: 'Preheat' } as const;

/** What operators started on any node, and how far it is. */
export function showJobs(model: Model, filter: string, now: number): void {
  const jobs = [...model.jobs]
    .filter(([, { title, node }]) => matches(filter, title, model.nameOf(node)))
    .sort(([, a], [, b]) => Number(b.state === 'running') - Number(a.state === 'running') || b.startedAt - a.startedAt);
  document.getElementById('jobs')!.hidden = jobs.length === 0;
  const body = bodyOf('jobs');
  if (body.childElementCount === 0) body.append(el('ul', { class: 'jobs', attributes: { role: 'list' } }));
  fill(body.firstElementChild!, jobs, {
    key: ([key]) => key,
    make: () =>
      el(
        'li',
        {},
        el('p', { class: 'line' }, el('span', { class: 'what' }, el('strong'), el('bdi')), el('span', { class: 'soft' })),
        el('progress', { attributes: { max: '1' } }),
        el('p', { class: 'soft' }),
      ),
    update: (element, [, job]) => {
      updateJob(element, job, model, now);
    },
  });
}

function updateJob(
  element: Element,
  { kind, title, node, state, step, doneBytes, totalBytes, nodesDone, nodes, startedAt, endedAt }: SwarmJob,
  model: Model,
  now: number,
): void {
  const [line, progress, facts] = [...element.children] as [HTMLElement, HTMLProgressElement, HTMLElement];
  const [what, when] = [...line.children] as [HTMLElement, HTMLElement];
  setText(what.firstElementChild!, `${KINDS[kind]} `);
  setText(what.lastElementChild!, title);
  setText(
    when,
    `on ${model.nameOf(node)}, ${endedAt === null ? `begun ${ago(startedAt, now)}` : `${state === 'done' ? 'done' : 'failed'} ${ago(endedAt, now)}`}`,
  );
  const part = state === 'done' ? 1 : totalBytes > 0 ? Math.min(1, doneBytes / totalBytes) : nodes > 0 ? nodesDone / nodes : 0;
  progress.value = part;
  setAttribute(progress, 'aria-label', `${KINDS[kind]} of ${title}`);
  setClass(element, state);
  setText(facts, [step, ...(totalBytes > 0 && state === 'running' ? [`${size(doneBytes)} of ${size(totalBytes)}`] : [])].join(' · '));
}
