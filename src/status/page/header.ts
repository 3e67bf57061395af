import { el, setText } from './dom.ts';
import type { FeedState } from './feed.ts';
import { count, percent, size, uptime } from './format.ts';
import type { Model } from './model.ts';

const WORDS = { ok: 'well', degraded: 'degraded', bad: 'not well', unknown: 'not known yet' } as const;

/** What this node is called, how it is in one sentence, and what the swarm has saved today. */
export function showHeader(model: Model, now: number): void {
  const { self, today } = model;
  if (self === undefined) return;
  const { name, zone, version, startedAt, level, sentence, members, told, keyIds } = self;
  document.title = `${level === 'ok' ? '' : `${WORDS[level]}: `}${name} · layerswarm`;
  setText(byId('name'), name);
  const answered = told < members ? `, ${told} of them told of themselves` : '';
  setText(
    byId('facts'),
    [
      ...(zone === '' ? [] : [`zone ${zone}`]),
      `${count(members, 'member')} connected${answered}`,
      uptime(startedAt, now),
      `version ${version}`,
      ...keyIds.slice(0, 1).map((id) => `key ${id}`),
    ].join(' · '),
  );
  const health = byId('health');
  if (health.dataset['level'] !== level || health.dataset['sentence'] !== sentence) {
    health.dataset['level'] = level;
    health.dataset['sentence'] = sentence;
    health.replaceChildren(el('strong', { class: `level ${level}` }, WORDS[level]), el('span', {}, sentence));
  }
  const received = today.originBytes + today.peersBytes;
  setText(
    byId('saved'),
    received === 0
      ? 'Nothing was pulled today.'
      : `Saved ${size(today.peersBytes)} today, ${percent(today.peersBytes, received)} from peers.`,
  );
}

const LINK: Readonly<Record<FeedState, string>> = { connecting: 'connecting', live: 'live', lost: 'disconnected', paused: 'paused' };

/** `since`: when the page last heard of the node. */
export function showLink(state: FeedState, since: number): void {
  document.body.dataset['link'] = state;
  const time = since === 0 ? '' : ` since ${new Date(since).toLocaleTimeString()}: what is shown is from then`;
  setText(byId('link'), state === 'lost' ? `${LINK.lost}${time}; trying again` : LINK[state]);
}

function byId(id: string): HTMLElement {
  return document.getElementById(id)!;
}
