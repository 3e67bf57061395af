import * as fc from 'fast-check';
import { LayerswarmError } from '../../src/errors.ts';

/**
 * Reads copies of an image in which some of the bytes at `places` were changed at random.
 * @throws what `read` throws that is no LayerswarmError
 */
export function readDamaged(
  image: Uint8Array,
  places: readonly number[],
  read: (damaged: Uint8Array) => unknown,
  { maxChanges, numRuns }: { maxChanges: number; numRuns: number },
): void {
  const change = fc.record({ at: fc.nat(places.length - 1), to: fc.nat(255) });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: maxChanges }), (changes) => {
      const damaged = new Uint8Array(image);
      for (const { at, to } of changes) damaged[places[at]!] = to;
      try {
        read(damaged);
      } catch (error) {
        if (!(error instanceof LayerswarmError)) throw error;
      }
    }),
    { numRuns },
  );
}
