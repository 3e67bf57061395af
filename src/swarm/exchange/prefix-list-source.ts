import type { BlobNetwork } from '../network/network.ts';
import { parseList, type PrefixList } from './prefix-list.ts';
import type { UnfinishedBlob } from './unfinished-blob.ts';

const LIST_TIMEOUT_MS = 3000;

/** The signed list of prefix digests that an unfinished blob is compared with, and the members that have one to give. */
export class PrefixListSource {
  readonly #network: BlobNetwork;
  readonly #blob: UnfinishedBlob;
  readonly #holders = new Set<string>();
  #list: PrefixList | undefined;
  #asking: Promise<void> | undefined;

  constructor(network: BlobNetwork, blob: UnfinishedBlob) {
    this.#network = network;
    this.#blob = blob;
  }

  get current(): PrefixList | undefined {
    return this.#list;
  }

  /** A member that has proven the blob. */
  addHolder(peer: string): void {
    this.#holders.add(peer);
  }

  /** Asks the holders when there is none: once for all who want it meanwhile. True when there is one now that was not before. */
  async find(): Promise<boolean> {
    if (this.#list !== undefined) return false;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
    });
    await this.#asking;
    return this.#list !== undefined;
  }

  /** Another holder's, or undefined. */
  async second(): Promise<PrefixList | undefined> {
    return await this.#fetch(this.#list?.signer);
  }

  replace(list: PrefixList): void {
    this.#list = list;
  }

  /** It is not believed any longer, nor is its signer asked again. */
  drop(): void {
    if (this.#list === undefined) return;
    this.#holders.delete(this.#list.signer);
    this.#list = undefined;
  }

  /** True as well where nothing can be said. */
  agrees(index: number, digest: Buffer, list = this.#list): boolean {
    // Lists of another checkpoint length can be compared only at their last entry, which is the blob's own digest.
    return list?.checkpointLength !== this.#blob.partial.checkpointLength || list.digests[index]!.equals(digest);
  }

  /** The first checkpoint whose digest differs. */
  firstDisagreement(): number | undefined {
    const index = this.#blob.partial.prefixDigests.findIndex((digest, i) => !this.agrees(i, digest));
    return index < 0 ? undefined : index;
  }

  async #ask(): Promise<void> {
    this.#list = await this.#fetch();
  }

  /** The first holder's list that is one; holders that have none to give are not asked again. */
  async #fetch(except?: string): Promise<PrefixList | undefined> {
    const { digest, partial } = this.#blob;
    for (const holder of this.#holders) {
      if (holder === except || this.#network.peer(holder) === undefined) continue;
      try {
        const message = await this.#network.request(holder, { type: 'get-list', blob: digest.toString() }, 'list', {
          timeoutMs: LIST_TIMEOUT_MS,
        });
        return await parseList(this.#network, holder, digest, partial.size, message);
      } catch {
        this.#holders.delete(holder);
      }
    }
    return undefined;
  }
}
