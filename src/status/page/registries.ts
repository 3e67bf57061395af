import type { SwarmRegistry } from '../swarm-document.ts';
import { size } from './format.ts';
import type { Model } from './model.ts';
import { Rows } from './rows.ts';

const KINDS = { origin: 'the origin', alias: 'the origin answers for it', mirror: 'mirror' } as const;

/** Where images are read from, and whether that works. */
export class Registries {
  readonly #rows: Rows<SwarmRegistry>;
  readonly #model: Model;

  constructor(model: Model) {
    this.#model = model;
    this.#rows = new Rows<SwarmRegistry>({
      section: 'registries',
      perPage: 10,
      empty: 'No registry is known yet.',
      key: ({ name }) => name,
      haystack: ({ name, url, kind }) => [name, url ?? '', kind],
      columns: [
        { label: 'Registry', kind: 'name', text: ({ name }) => name, title: ({ url }) => url ?? '' },
        { label: 'Kind', text: ({ kind }) => KINDS[kind] },
        {
          label: 'From here',
          text: ({ state, reason, kind }) =>
            state === null
              ? kind === 'alias'
                ? 'as the origin'
                : 'not used here'
              : state === 'ok'
                ? 'answers'
                : `${state}${reason === null ? '' : `: ${reason}`}`,
          tone: ({ state }) => (state === null || state === 'ok' || state === 'unknown' ? '' : 'bad'),
        },
        {
          label: 'Elsewhere',
          text: ({ nodes, failing }) =>
            nodes === 0
              ? ''
              : nodes === 1 && failing === 0
                ? 'no other node has it'
                : failing === 0
                  ? `all ${nodes} well`
                  : `${failing} of ${nodes} cannot use it`,
          tone: ({ failing }) => (failing > 0 ? 'bad' : ''),
        },
        { label: 'Read here', kind: 'number', text: ({ bytes }) => size(bytes) },
      ],
    });
  }

  show(filter: string): void {
    this.#rows.show([...this.#model.registries.values()], filter);
  }
}
