import { Digest } from '../../oci/digest.ts';
import type { TagRecord } from '../../store/image-store.ts';
import type { Network } from '../network/network.ts';

/** More members than this would not know better, and a large swarm must not be asked as a whole. */
const MAX_ASKED = 32;
const TIMEOUT_MS = 1000;

/** The newest mapping of a tag that connected members have from the origin; undefined when nobody has one. */
export async function askMembersForTag(network: Network, { origin, repository, tag }: { origin: string | undefined; repository: string; tag: string }, signal: AbortSignal): Promise<TagRecord | undefined> {
  if (origin === undefined) return undefined;
  const answers = await Promise.allSettled(network.peers().slice(0, MAX_ASKED).map(({ peerId }) => network.request(peerId, { type: 'get-tag', origin, repository, tag }, 'tag', { signal, timeoutMs: TIMEOUT_MS })));
  const records = answers.flatMap((answer): TagRecord[] => {
    if (answer.status === 'rejected' || answer.value.digest === undefined || answer.value.checkedAt === undefined) return [];
    return [{ digest: Digest.parse(answer.value.digest), checkedAt: answer.value.checkedAt }];
  });
  return records.sort((a, b) => b.checkedAt - a.checkedAt)[0];
}
