/** Length of the buffers that files are read through. */
export const READ_LENGTH = 256 * 1024;
const KEPT = 16;

const free: Buffer[] = [];

/**
 * A buffer of `READ_LENGTH` bytes with any content. Fresh ones cost more than the read itself (page faults), so they are used
 * again; give one back only when nobody can still look at it.
 */
export function takeBuffer(): Buffer {
  return free.pop() ?? Buffer.allocUnsafeSlow(READ_LENGTH);
}

export function giveBuffer(buffer: Buffer): void {
  if (free.length < KEPT) free.push(buffer);
}
