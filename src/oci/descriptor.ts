import type { Digest } from './digest.ts';

/** OCI image specification, descriptor.md. Only what was parsed and checked gets this type. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly artifactType?: string;
  readonly platform?: Platform;
  /** Present on foreign layers, which registries need not hold. */
  readonly urls?: readonly string[];
}

/** OCI image specification, image-index.md, "platform". */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
}
