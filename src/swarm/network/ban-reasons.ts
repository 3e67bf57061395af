/** What a peer is banned for, in the words that operators read. */
export const BAN_REASONS = {
  wrongPieces: "brought bytes into the swarm that are not the blob's",
  wrongCopy: "sent bytes that are not the blob's, and not those of its own copy",
  wrongList: 'signed a list of prefix digests that accuses honest senders',
  overShare: 'makes this node do more than its share of work',
} as const;
