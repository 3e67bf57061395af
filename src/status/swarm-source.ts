import type { SwarmDocument, SwarmPullDetail } from './swarm-document.ts';

/** The swarm, as the page shows it. */
export interface SwarmSource {
  /** Somebody looks: members are asked until the function that it returns is called. */
  look(): () => void;
  /** From memory. */
  document(): SwarmDocument;
  /** Resolves when the members that are connected have answered, or had their time. Never throws. */
  asked(): Promise<void>;
  /** One of the pulls of the document. @throws LayerswarmError `not-found`, `timeout`, … */
  pull(peerId: string, id: string): Promise<SwarmPullDetail>;
}
