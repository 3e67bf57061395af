/** `layerswarm/registry-client`: reads from and pushes to one OCI registry. */
import type { Origin } from '../origin/origin.ts';
import type { RegistryOptions } from '../origin/registry-options.ts';
import { RegistryOrigin } from '../origin/registry-origin.ts';
import type { RegistryWriter } from '../origin/registry-writer.ts';

export { LayerswarmError, type ErrorCode } from '../errors.ts';
export { anonymous, passwordFileCredentials, staticCredentials } from '../origin/credentials.ts';
export type { Credentials, CredentialsProvider, CredentialsRequest } from '../origin/credentials.ts';
export type { RegistryWriter } from '../origin/registry-writer.ts';

export type RegistryClientOptions = Pick<
  RegistryOptions,
  | 'url'
  | 'credentials'
  | 'caFile'
  | 'caText'
  | 'clientCert'
  | 'timeouts'
  | 'retry'
  | 'maxConnections'
  | 'bytesPerSecond'
  | 'failFast'
  | 'redirects'
>;

/** Tokens, retries, redirects and pages are its own matter. Every method throws LayerswarmError. */
export interface RegistryClient extends Pick<
  Origin,
  'url' | 'resolveTag' | 'manifest' | 'blobSize' | 'readBlob' | 'tags' | 'referrers' | 'close'
> {
  /** All repositories, where the registry lists them to this login; undefined elsewhere. */
  repositories(signal?: AbortSignal): Promise<string[] | undefined>;
  /** Pushes, over the same connections and credentials. */
  readonly writer: RegistryWriter;
}

/** Sends nothing yet. @throws LayerswarmError `config-invalid` */
export function registryClient(options: RegistryClientOptions): RegistryClient {
  return new RegistryOrigin(options);
}
