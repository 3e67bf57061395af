import type { Digest } from '../../oci/digest.ts';
import type { RegistryRequest, RegistryResponse } from '../http/message.ts';
import type { Repository } from '../namespace.ts';
import type { Upstream } from '../upstream.ts';
import type { BlobServedFrom } from './pull-context.ts';

/** A blob that a client has asked for, and may have. */
export interface WantedBlob {
  readonly upstream: Upstream;
  readonly request: RegistryRequest;
  readonly repository: Repository;
  readonly digest: Digest;
  /** On the monotonic clock, in ms. */
  readonly headersDue: number;
  /** Told of the error that the answer, or its body, ends in. */
  readonly failed: (error: unknown) => void;
}

/** The answer to it. */
export interface ServedBlob {
  readonly size: number;
  readonly source: BlobServedFrom;
  readonly response: RegistryResponse;
}
