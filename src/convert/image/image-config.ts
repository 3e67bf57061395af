import type { Digest } from '../../oci/digest.ts';
import type { Platform } from '../../oci/descriptor.ts';

export interface ImageConfigInput {
  readonly platform: Platform;
  /** ISO 8601. */
  readonly created: string;
  readonly layers: readonly { readonly diffId: Digest; readonly createdBy: string }[];
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Whether the system's own init is started, or a shell. */
  readonly init: 'systemd' | 'init' | 'none';
}

const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** OCI image specification, config.md. systemd stops cleanly on SIGRTMIN+3, and knows by `container` that it is in one. */
export function imageConfig({ platform, created, layers, labels, init }: ImageConfigInput): Buffer {
  const config = {
    created,
    architecture: platform.architecture,
    ...(platform.variant !== undefined && { variant: platform.variant }),
    os: platform.os,
    config: {
      Env: init === 'none' ? [PATH] : [PATH, 'container=docker'],
      Cmd: init === 'none' ? ['/bin/sh'] : ['/sbin/init'],
      ...(init === 'systemd' && { StopSignal: 'SIGRTMIN+3' }),
      ...(labels !== undefined && { Labels: labels }),
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId.toString()) },
    history: layers.map(({ createdBy }) => ({ created, created_by: createdBy })),
  };
  return Buffer.from(JSON.stringify(config));
}

/**
 * When the image was made: SOURCE_DATE_EPOCH (seconds), and 1970 without it, since the same disk gives the same image today and tomorrow.
 * https://reproducible-builds.org/specs/source-date-epoch/
 */
export function createdTime(sourceDateEpoch: string | undefined): string {
  const seconds = /^\d{1,11}$/.test(sourceDateEpoch ?? '') ? Number(sourceDateEpoch) : 0;
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}
