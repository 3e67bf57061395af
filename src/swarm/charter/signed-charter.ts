import { LayerswarmError } from '../../errors.ts';
import type { CharterKey, OperatorKey } from './operator-key.ts';

/**
 * What all nodes of a swarm read from, in its operator's words. A signed one is a text file: the line
 * `layerswarm-charter-1 SWARM SERIAL SIGNATURE`, and below it, byte by byte as it was signed, the content.
 */
export interface Charter {
  readonly swarm: string;
  /** Of two, the higher one counts. */
  readonly serial: number;
  /** YAML; what may stand in it is the agent's affair. */
  readonly content: string;
  /** The whole file. */
  readonly text: string;
}

/** A few addresses, patterns and certificates are far below. */
export const MAX_CHARTER_BYTES = 32 << 10;
const FIRST_LINE = /^layerswarm-charter-1 ([A-Za-z0-9._-]{1,64}) (\d{1,15}) ([A-Za-z0-9_-]{86})\n/;

/** @throws `too-large`, `usage` */
export function signCharter(key: OperatorKey, serial: number, content: string): Charter {
  const { swarm } = key.public;
  if (!Number.isSafeInteger(serial) || serial < 1 || serial >= 1e15)
    throw new LayerswarmError('usage', `expected a serial from 1 to 999999999999999, received ${serial}`);
  const signature = Buffer.from(key.sign(signedBytes(swarm, serial, content))).toString('base64url');
  const text = `${firstLine(swarm, serial, signature)}${content}`;
  if (Buffer.byteLength(text) > MAX_CHARTER_BYTES)
    throw new LayerswarmError('too-large', `expected a charter of at most ${MAX_CHARTER_BYTES} bytes, received ${Buffer.byteLength(text)}`);
  return { swarm, serial, content, text };
}

/** @throws `too-large`, `verification-failed`: for anything that the key's holder did not sign for this swarm */
export function verifyCharter(text: string, key: CharterKey): Charter {
  if (Buffer.byteLength(text) > MAX_CHARTER_BYTES)
    throw new LayerswarmError('too-large', `expected a charter of at most ${MAX_CHARTER_BYTES} bytes, received ${Buffer.byteLength(text)}`);
  const [line, swarm, digits, signature] = FIRST_LINE.exec(text) ?? [];
  if (line === undefined || swarm === undefined || digits === undefined || signature === undefined)
    throw new LayerswarmError(
      'verification-failed',
      'expected a signed charter, received something else: sign it with "layerswarm charter sign"',
    );
  if (swarm !== key.swarm)
    throw new LayerswarmError('verification-failed', `expected a charter of the swarm ${key.swarm}, received one of ${swarm}`);
  const [serial, content] = [Number(digits), text.slice(line.length)];
  const bytes = Buffer.from(signature, 'base64url');
  // one charter has one spelling: neither zeros before the serial nor spare bits of the signature
  if (!key.isBy(signedBytes(swarm, serial, content), bytes) || firstLine(swarm, serial, bytes.toString('base64url')) !== line) {
    throw new LayerswarmError(
      'verification-failed',
      `the charter ${serial} is not signed by the operator of ${swarm}, or was changed since`,
    );
  }
  return { swarm, serial, content, text };
}

function firstLine(swarm: string, serial: number, signature: string): string {
  return `layerswarm-charter-1 ${swarm} ${serial} ${signature}\n`;
}

function signedBytes(swarm: string, serial: number, content: string): Buffer {
  return Buffer.from(`layerswarm charter 1\0${swarm}\0${serial}\0${content}`);
}
