import type {
  AboutHour,
  AboutSelf,
  AboutToday,
  SwarmChange,
  SwarmCollection,
  SwarmFlow,
  SwarmImage,
  SwarmJob,
  SwarmNode,
  SwarmPull,
  SwarmRegistry,
  SwarmTransfer,
  SwarmTrouble,
} from '../swarm-document.ts';
import { shortPeer } from './format.ts';

/** A node sends far fewer; what is over it is not shown, so that a page never grows without end. */
const MAX_ENTRIES = 2000;

/** What the page knows: always what the last events said, and nothing of before. */
export class Model {
  #about = new Map<string, unknown>();
  readonly nodes = new Map<string, SwarmNode>();
  readonly flows = new Map<string, SwarmFlow>();
  readonly transfers = new Map<string, SwarmTransfer>();
  readonly pulls = new Map<string, SwarmPull>();
  readonly images = new Map<string, SwarmImage>();
  readonly registries = new Map<string, SwarmRegistry>();
  readonly troubles = new Map<string, SwarmTrouble>();
  readonly jobs = new Map<string, SwarmJob>();
  #byNumber = new Map<number, SwarmNode>();

  get self(): AboutSelf | undefined {
    return this.#about.get('self') as AboutSelf | undefined;
  }

  get today(): AboutToday {
    return (this.#about.get('today') as AboutToday | undefined) ?? { originBytes: 0, peersBytes: 0 };
  }

  get hour(): AboutHour {
    return (this.#about.get('hour') as AboutHour | undefined) ?? { minute: 0, origin: [], peers: [] };
  }

  apply({ full, set, gone }: SwarmChange): void {
    for (const name of COLLECTIONS) {
      const entries = this.#collection(name);
      if (full) entries.clear();
      for (const key of gone[name] ?? []) entries.delete(key);
      for (const [key, value] of Object.entries(set[name] ?? {}))
        if (entries.has(key) || entries.size < MAX_ENTRIES) entries.set(key, value);
    }
    this.#byNumber = new Map([...this.nodes.values()].map((node) => [node.number, node]));
  }

  /** What people call a node, `origin`, or a peer that is not connected. */
  nameOf(peerId: string): string {
    if (peerId === 'origin') return 'origin';
    const name = this.nodes.get(peerId)?.name ?? '';
    return name === '' ? shortPeer(peerId) : name;
  }

  nameOfNumber(number: number): string {
    const node = this.#byNumber.get(number);
    return node === undefined ? 'a node that left' : this.nameOf(node.peerId);
  }

  #collection(name: SwarmCollection): Map<string, unknown> {
    return name === 'about' ? this.#about : this[name];
  }
}

const COLLECTIONS = [
  'about',
  'nodes',
  'flows',
  'transfers',
  'pulls',
  'images',
  'registries',
  'troubles',
  'jobs',
] as const satisfies readonly SwarmCollection[];
