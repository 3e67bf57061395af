import type { SwarmPull } from '../swarm-document.ts';
import { ago, duration, percent, size } from './format.ts';
import type { Marks } from './marks.ts';
import type { Model } from './model.ts';
import { Rows } from './rows.ts';
import { Why } from './why.ts';

const RESULTS = { done: 'done', failed: 'failed', aborted: 'given up' } as const;

/** The last pulls of all nodes; each opens where its time went. */
export class Pulls {
  readonly #rows: Rows<SwarmPull>;
  readonly #model: Model;
  #now = 0;

  constructor(model: Model, marks: Marks) {
    this.#model = model;
    const why = new Why(model, marks);
    this.#rows = new Rows<SwarmPull>({
      section: 'pulls',
      perPage: 12,
      empty: 'Nothing was pulled yet. "layerswarm pull IMAGE" pulls something; so does a container runtime that was set up.',
      key: ({ node, id }) => `${node}/${id}`,
      haystack: ({ reference, client, result, node, id }) => [reference, client, RESULTS[result], model.nameOf(node), id],
      columns: [
        { label: 'Image', kind: 'name', text: ({ reference }) => reference, title: ({ reference }) => reference },
        { label: 'Node', text: ({ node }) => model.nameOf(node) },
        { label: 'By', text: ({ client }) => client },
        { label: 'Result', text: ({ result }) => RESULTS[result], tone: ({ result }) => (result === 'failed' ? 'bad' : '') },
        { label: 'Size', kind: 'number', text: ({ bytes }) => size(bytes) },
        { label: 'Time', kind: 'number', text: ({ seconds }) => duration(seconds) },
        {
          label: 'From peers',
          kind: 'number',
          text: ({ fromOriginBytes, fromPeersBytes }) =>
            fromOriginBytes + fromPeersBytes === 0 ? 'was here' : percent(fromPeersBytes, fromOriginBytes + fromPeersBytes),
        },
        { label: 'When', kind: 'number', text: ({ finishedAt }) => ago(finishedAt, this.#now) },
      ],
      more: (element, pull) => {
        why.show(element, pull);
      },
    });
  }

  show(filter: string, now: number): number {
    this.#now = now;
    return this.#rows.show(
      [...this.#model.pulls.values()].sort((a, b) => b.finishedAt - a.finishedAt || (a.id < b.id ? -1 : 1)),
      filter,
    );
  }
}
