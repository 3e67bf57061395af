import type { SwarmChange } from '../swarm-document.ts';
import { setText } from './dom.ts';
import { Feed, type FeedState } from './feed.ts';
import { count } from './format.ts';
import { showFlows } from './flows.ts';
import { showHeader, showLink } from './header.ts';
import { showHour } from './hour.ts';
import { Images } from './images.ts';
import { showJobs } from './jobs.ts';
import { Marks } from './marks.ts';
import { Model } from './model.ts';
import { showNodes } from './nodes.ts';
import { Pulls } from './pulls.ts';
import { Registries } from './registries.ts';
import { showTransfers } from './transfers.ts';
import { showTroubles } from './troubles.ts';
import { compareNames } from './zones.ts';

/** A tab that nobody looks at for so long lets the node and its members alone. */
const UNSEEN_MS = 30_000;

const model = new Model();
const marks = new Marks();
const pulls = new Pulls(model, marks);
const images = new Images(model);
const registries = new Registries(model);
const filterInput = document.getElementById('filter') as HTMLInputElement;

let heardAt = 0;
let version = '';
let isDue = false;
let state: FeedState = 'connecting';

function show(): void {
  isDue = false;
  const now = Date.now();
  const filter = filterInput.value.trim();
  showHeader(model, now);
  showTroubles(model, filter, now);
  showFlows(model, marks, filter);
  showHour(model);
  const nodes = showNodes(model, filter, now, pick);
  showJobs(model, filter, now);
  showTransfers(model, marks, filter);
  const found = [count(nodes, 'node'), count(pulls.show(filter, now), 'pull'), count(images.show(filter), 'image')];
  registries.show(filter);
  setText(document.getElementById('filter-hint')!, filter === '' ? '' : found.join(', '));
}

/** Once a frame, and not while nobody sees it. */
function showSoon(): void {
  if (isDue || document.hidden) return;
  isDue = true;
  requestAnimationFrame(show);
}

function take(change: SwarmChange): void {
  heardAt = Date.now();
  model.apply(change);
  marks.meet(
    [...model.nodes.values()].sort((a, b) => compareNames(a.name, b.name) || compareNames(a.peerId, b.peerId)).map(({ peerId }) => peerId),
  );
  const now = model.self?.version ?? '';
  // the node is a newer one now: so must be what shows it
  if (version !== '' && now !== version) location.reload();
  version = now;
  showSoon();
}

/** A node's tile filters the page to it, and pressed again no longer. */
function pick(name: string): void {
  filterInput.value = filterInput.value === name ? '' : name;
  show();
}

const feed = new Feed({
  connect: () => new EventSource('/api/v1/swarm/events'),
  onChange: take,
  onState: (next) => {
    state = next;
    showLink(state, heardAt);
  },
  later: (ms, run) => {
    const timer = setTimeout(run, ms);
    return () => {
      clearTimeout(timer);
    };
  },
});

let unseen: number | undefined;
document.addEventListener('visibilitychange', () => {
  window.clearTimeout(unseen);
  if (document.hidden) {
    unseen = window.setTimeout(() => {
      feed.pause();
    }, UNSEEN_MS);
  } else {
    feed.start();
    showSoon();
  }
});
filterInput.addEventListener('input', showSoon);
window.addEventListener('resize', showSoon);
document.addEventListener('keydown', (event) => {
  const isTyping = event.target instanceof HTMLInputElement;
  if (event.key === '/' && !isTyping) {
    event.preventDefault();
    filterInput.focus();
  }
  if (event.key === 'Escape' && event.target === filterInput) {
    filterInput.value = '';
    showSoon();
  }
});
document.addEventListener('toggle', showSoon, true);
feed.start();
