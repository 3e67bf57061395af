import type { RateState } from './budget.ts';
import type { RegistryHttp } from './registry-http.ts';
import type { RegistryRequest } from './registry-request.ts';
import type { ConnectionOptions } from './tls.ts';
import type { Answer, Transport } from './transport.ts';

/** A request for a part of a blob, as it goes to another thread. */
export type BlobRequest = Pick<RegistryRequest, 'what' | 'access' | 'accept' | 'headers' | 'locationKey'> & { readonly target: string };

/**
 * A registry's client for a thread that reads its blobs over connections of its own: where a request goes and with which login, how
 * the registry fares, how many read at a time and what is tried again stay matters of the client.
 */
export interface RemoteReads {
  readonly connections: ConnectionOptions;
  /** Beside what all origins share. */
  readonly rate: RateState | undefined;
  /** @throws LayerswarmError as `Origin` says */
  send(request: BlobRequest, transport: Transport, signal: AbortSignal): Promise<Answer>;
  /** Whether the registry heeds Range. */
  tellRanges(heeded: boolean): void;
}

export function remoteReads(http: RegistryHttp): RemoteReads {
  return {
    connections: http.connections,
    rate: http.rate,
    send: async (request, transport, signal) => await http.send({ ...request, method: 'GET', bulk: true, transport, signal }),
    tellRanges: (heeded) => {
      http.tellRanges(heeded);
    },
  };
}
