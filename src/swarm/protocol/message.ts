import { z } from 'zod';
import { isOriginName } from '../../origin/origin-name.ts';
import { MAX_THREADS } from '../lane/route.ts';
import { MAX_INLINE_BYTES, type Word } from './word.ts';

/**
 * Every control message of `/layerswarm/swarm/1`, as its schema; what is said on lanes too is in `word.ts`. All fields are bounded. A
 * message that does not fit closes the connection; one of an unknown type is ignored, as unknown keys are, so that later versions can
 * add. Bytes are CBOR byte strings.
 */

const MAX_PIECES = 16_384;
/** One bit a piece. */
const MAX_BITFIELD_BYTES = MAX_PIECES / 8;

function bytesUpTo(limit: number): z.ZodType<Uint8Array> {
  return z.custom<Uint8Array>((value) => value instanceof Uint8Array && value.length <= limit, `expected at most ${limit} bytes`);
}

const digest = z
  .string()
  .max(140)
  .regex(/^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/);
const size = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const pieceLength = z
  .int()
  .min(1024)
  .max(1 << 30);
const bitfield = bytesUpTo(MAX_BITFIELD_BYTES);
const repository = z.string().max(255);
const tag = z.string().max(128);
const peerId = z.string().max(128);
const origin = z.object({
  url: z.string().max(512),
  source: z.enum(['configured', 'learned']),
  name: z.string().max(100).refine(isOriginName).optional(),
});
/** Which charter the sender follows: the operator's public key, and the serial; 0 for none yet. */
const charter = z.object({ key: z.string().max(128), serial: size });
/** What lets the peer that it is given to open one TLS lane to the giver. */
const bulkOffer = z.object({
  /** `HOST:PORT`, best first. */
  addresses: z.array(z.string().max(256)).max(8),
  /** SHA-256 of the certificate on that port. */
  fingerprint: bytesUpTo(32),
  ticket: bytesUpTo(32),
  expiresInMs: z.int().min(1).max(600_000),
});
/** Of a node's bulk threads, by its number. */
const thread = z
  .int()
  .min(0)
  .max(MAX_THREADS - 1);
const errorText = z.string().max(500);
/** `registry/repository[:tag]@digest`: a reference at its longest, as src/oci/reference.ts has it. */
const imageName = z.string().min(1).max(800);
const milliseconds = z.int().min(0).max(Number.MAX_SAFE_INTEGER);
const level = z.enum(['ok', 'degraded', 'bad', 'unknown']);
/** One line for a person. */
const sentence = z.string().max(300);
/** As people see it, of images and pulls; a longer one is not told. */
const shownName = z.string().max(300);
const pullId = z.string().regex(/^[0-9a-f]{12}$/);
/** Says whether something that was told before is still so. */
const contentKey = z.string().max(64);
/** `origin`, or a peer id. */
const source = z.string().max(128);
const pullFields = {
  id: pullId,
  client: z.string().max(40),
  result: z.enum(['done', 'failed', 'aborted']),
  reference: shownName,
  verdict: sentence,
  finishedAt: milliseconds,
  elapsedMs: milliseconds,
  bytes: size,
  fromStoreBytes: size,
  fromOriginBytes: size,
  fromPeersBytes: size,
};
/** How much of a blob the sender of this holds. `none` of one that wants it: it has nothing yet. */
const holding = z.object({
  blob: digest,
  state: z.enum(['none', 'partial', 'complete']),
  size: size.optional(),
  pieceLength: pieceLength.optional(),
  bits: bitfield.optional(),
  /** The whole blob, where it is small. */
  inline: bytesUpTo(MAX_INLINE_BYTES).optional(),
});

export const messageSchema = z.discriminatedUnion('type', [
  // Membership
  z.object({
    type: z.literal('hello'),
    version: z.int().min(1).max(1000),
    agent: z.string().max(100),
    zone: z.string().max(100),
    /** What people call the sender. */
    name: z.string().max(100).optional(),
    /** The sender's clock, in ms since the epoch. */
    time: milliseconds.optional(),
    origin: origin.optional(),
    charter: charter.optional(),
    /** How many of them it has: each blob is in one, by its digest. 1 where it does not say. */
    bulkThreads: z.int().min(1).max(MAX_THREADS).optional(),
    /** Multiaddrs where the sender can be dialled, with its peer id. */
    listen: z.array(z.string().max(256)).max(16).optional(),
  }),
  /** Answered `ok`: the connection lives, and how long a round trip takes. */
  z.object({ type: z.literal('ping') }),
  z.object({ type: z.literal('origin-changed'), origin: origin.optional() }),
  z.object({ type: z.literal('charter-changed'), charter }),
  z.object({ type: z.literal('get-charter') }),
  /** The file as its operator signed it; empty where there is none. */
  z.object({ type: z.literal('charter'), text: z.string().max(32_768) }),
  z.object({ type: z.literal('get-peers') }),
  z.object({ type: z.literal('peers'), addresses: z.array(z.string().max(256)).max(128) }),

  // Lookup
  /** `pull`, here and in `join`: id of the pull that it is for, by which the logs of both are read together. */
  z.object({ type: z.literal('find'), blobs: z.array(digest).min(1).max(64), inline: z.boolean(), pull: pullId.optional() }),
  z.object({ type: z.literal('found'), holdings: z.array(holding).max(64) }),

  // One download's neighbours
  /** `wants`: the sender fetches the blob, and wants news of pieces. */
  z.object({ type: z.literal('join'), holding, wants: z.boolean(), pull: pullId.optional() }),
  z.object({ type: z.literal('joined'), holding, wants: z.boolean() }),
  z.object({ type: z.literal('leave'), blob: digest, complete: z.boolean() }),

  // Tags that members remember, and the embedded origin
  z.object({ type: z.literal('get-tag'), origin: z.string().max(512), repository, tag }),
  z.object({ type: z.literal('tag'), digest: digest.optional(), checkedAt: size.optional() }),
  z.object({ type: z.literal('origin-resolve'), repository, tag }),
  z.object({ type: z.literal('origin-manifest'), repository, digest }),
  z.object({ type: z.literal('manifest'), digest, mediaType: z.string().max(255), bytes: bytesUpTo(4 << 20) }),
  z.object({ type: z.literal('origin-blob-size'), repository, digest }),
  z.object({ type: z.literal('blob-size'), size }),
  z.object({ type: z.literal('origin-tags'), repository }),
  z.object({ type: z.literal('tags'), tags: z.array(tag).max(100_000) }),
  z.object({ type: z.literal('origin-referrers'), repository, digest, artifactType: z.string().max(255).optional() }),
  z.object({ type: z.literal('referrers'), index: bytesUpTo(4 << 20).optional() }),

  // What one member asks of another, which does it only where its own configuration allows it
  /** Pull an image there: for these platforms (`linux/arm64`, or `all`), else for that host's own. Asked again it joins the pull that runs. */
  z.object({ type: z.literal('prefetch'), image: imageName, platforms: z.array(z.string().min(1).max(100)).max(32) }),
  z.object({ type: z.literal('prefetch-poll'), id: z.int().min(1) }),
  z.object({
    type: z.literal('prefetch-state'),
    id: z.int().min(1),
    state: z.enum(['waiting', 'running', 'done', 'failed']),
    sizeBytes: size,
    haveBytes: size,
    fromOriginBytes: size,
    fromPeersBytes: size,
    elapsedMs: milliseconds,
    /** Why, of one that failed. */
    reason: errorText.optional(),
  }),
  /** Remove an image there, and of `blobs` (what it is made of, for a node that knows its manifest no more) what no other image there needs. */
  z.object({ type: z.literal('purge'), image: imageName, blobs: z.array(digest).max(4096), dryRun: z.boolean() }),
  /** `held`: parts of it that a container runtime of that host keeps in its own store. */
  z.object({ type: z.literal('purged'), removed: size, bytes: size, kept: size, tags: size, held: size.optional() }),
  /** Keep an image there, or keep it no longer. `changed`: it was otherwise before. Bytes and `complete` say what of it is there. */
  z.object({ type: z.literal('pin'), image: imageName, pinned: z.boolean(), dryRun: z.boolean() }),
  z.object({ type: z.literal('pin-state'), changed: z.boolean(), bytes: size, complete: z.boolean() }),

  // What a person who looks at the swarm is shown of a node
  /** `imagesKey`, `pullsKey`: what the sender was told before, which need not be told again. */
  z.object({ type: z.literal('get-summary'), imagesKey: contentKey.optional(), pullsKey: contentKey.optional() }),
  z.object({
    type: z.literal('summary'),
    version: z.string().max(50),
    uptimeMs: milliseconds,
    ready: z.boolean(),
    level,
    sentence,
    troubles: z.array(z.object({ part: z.string().max(100), level, sentence, since: milliseconds })).max(16),
    store: z.object({ blobs: size, bytes: size, maxBytes: size.optional(), freeBytes: size.optional() }),
    /** Bytes since midnight there. */
    today: z.object({ originBytes: size, peersBytes: size }),
    /** Bytes a minute, the latest last; `minute`: of the last, since the epoch. */
    hour: z.object({ minute: size, origin: z.array(size).max(60), peers: z.array(size).max(60) }),
    /** Bytes a second now; `flows`: of those the members that send the most. */
    rates: z.object({ origin: size, peers: size, sent: size }),
    flows: z.array(z.object({ from: peerId, bytesPerSecond: size })).max(24),
    transferCount: size,
    transfers: z
      .array(
        z.object({
          blob: digest,
          repository,
          state: z.enum(['finding', 'fetching', 'verifying']),
          size: size.optional(),
          haveBytes: size,
          bytesPerSecond: size,
          sources: z.array(z.object({ source, bytes: size })).max(24),
          /** Parts of the blob in their order: the index in `sources` of who gave it; -1 not here yet, -2 here before, -3 from somebody who is not listed. */
          strip: z.array(z.int().min(-3).max(23)).max(64),
        }),
      )
      .max(12),
    registries: z
      .array(
        z.object({
          name: z.string().max(256),
          kind: z.enum(['origin', 'mirror']),
          state: z.enum(['unknown', 'ok', 'unreachable', 'unauthorized', 'conflict']),
          reason: sentence.optional(),
        }),
      )
      .max(32),
    bans: z.array(z.object({ peerId, name: z.string().max(100).optional(), reason: sentence, until: milliseconds })).max(16),
    /** What an operator started there, and how far it is. */
    jobs: z
      .array(
        z.object({
          id: z.int().min(1),
          kind: z.enum(['seed', 'preheat']),
          title: shownName,
          state: z.enum(['running', 'done', 'failed']),
          step: z.string().max(200),
          doneBytes: size,
          totalBytes: size,
          nodesDone: size,
          nodes: size,
          startedAt: milliseconds,
          endedAt: milliseconds.optional(),
        }),
      )
      .max(8),
    imagesKey: contentKey,
    /** Absent where `imagesKey` is as the asker had it. */
    images: z
      .array(z.object({ reference: shownName, digest, size, complete: z.boolean() }))
      .max(500)
      .optional(),
    pullsKey: contentKey,
    pulls: z.array(z.object(pullFields)).max(20).optional(),
  }),
  /** Where the time of one of the pulls of a summary went. */
  z.object({ type: z.literal('get-pull'), id: pullId }),
  z.object({
    type: z.literal('pull'),
    ...pullFields,
    digest: z.string().max(140),
    error: sentence.optional(),
    startedAt: milliseconds,
    firstByteMs: milliseconds.optional(),
    waitedMs: milliseconds,
    verifyMs: milliseconds,
    stalls: size,
    retries: size,
    verified: z.boolean(),
    stale: z.boolean(),
    sources: z.array(z.object({ source, name: z.string().max(100).optional(), bytes: size })).max(24),
    phases: z.array(z.object({ name: z.string().max(40), elapsedMs: milliseconds })).max(8),
    /** The slowest. */
    blobs: z
      .array(
        z.object({
          blob: digest,
          bytes: size,
          wasHere: z.boolean(),
          elapsedMs: milliseconds,
          waitedMs: milliseconds,
          fromOriginBytes: size,
          fromPeersBytes: size,
          stalls: size,
          retries: size,
          /** As a summary's transfers have it. */
          strip: z.array(z.int().min(-3).max(23)).max(64).optional(),
        }),
      )
      .max(24),
    blobCount: size,
  }),

  // TLS lanes
  /** The sender wants to open a TLS lane between these threads, and will show the certificate with this fingerprint (SHA-256). */
  z.object({ type: z.literal('bulk-open'), fingerprint: bytesUpTo(32), from: thread, to: thread }),
  z.object({ type: z.literal('bulk-ticket'), offer: bulkOffer }),
  /** The sender cannot reach the bulk port of the receiver, who is to open the lane for both instead. Answered `ok` once it is open. */
  z.object({ type: z.literal('bulk-dial'), offer: bulkOffer, from: thread, to: thread }),

  // Images that operators spread
  /** The tag means something else than it did: ask the origin again. A hint, which nobody is believed for. */
  z.object({ type: z.literal('tag-moved'), origin: z.string().max(512), repository, tag }),
  /** The ways to other registries that the sender is configured for. */
  z.object({ type: z.literal('replication'), routes: z.array(z.string().regex(/^[0-9a-f]{32}$/)).max(256) }),
  /** Hands a copy over to the member that carries it, or asks how it is. */
  z.object({ type: z.literal('replicate'), route: z.string().regex(/^[0-9a-f]{32}$/), repository, tag, digest: digest.optional() }),
  z.object({ type: z.literal('replicate-state'), state: z.enum(['waiting', 'done', 'failed']), error: errorText.optional() }),

  // Answers
  z.object({ type: z.literal('ok') }),
  z.object({ type: z.literal('error'), code: z.string().max(50), message: errorText }),
]);

/** What is said over libp2p, and on lanes. */
export type Message = z.infer<typeof messageSchema> | Word;
export type MessageType = Message['type'];
export type MessageOf<T extends MessageType> = Extract<Message, { type: T }>;
export type BulkOffer = z.infer<typeof bulkOffer>;
export type Holding = z.infer<typeof holding>;
