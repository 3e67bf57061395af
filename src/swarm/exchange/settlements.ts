import { LayerswarmError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';

/** All bytes were gathered and turned out wrong: how often that may find nobody who brought them before the blob is given up, … */
const MAX_FRUITLESS = 8;
/** … and how often at all, since members may come anew as often as they like. */
const MAX_SETTLEMENTS = 64;

/** How often what was gathered of one blob turned out wrong. */
export class Settlements {
  #all = 0;
  #fruitless = 0;

  /** It did once more. @throws `verification-failed` when that was too often */
  begin(blob: Digest): void {
    if (++this.#all > MAX_SETTLEMENTS || this.#fruitless >= MAX_FRUITLESS) {
      throw new LayerswarmError(
        'verification-failed',
        `the bytes of ${blob.toString()} that the swarm and the origin give do not have that digest`,
      );
    }
  }

  /** @param found somebody who brought wrong bytes */
  ended(found: boolean): void {
    if (!found) this.#fruitless += 1;
  }
}
