import type { Dispatcher } from 'undici';
import { anonymous, type CredentialsProvider, passwordFileCredentials } from '../origin/credentials.ts';
import type { Origin } from '../origin/origin.ts';
import { RegistryOrigin } from '../origin/registry-origin.ts';
import { DEFAULT_TIMEOUTS } from '../origin/registry-http.ts';
import { makeDispatchers } from '../origin/tls.ts';
import type { Bandwidth } from '../swarm/lane/pace/bandwidth.ts';
import type { Network } from '../swarm/network/network.ts';
import { embeddedOriginPeer, MemberOrigin } from '../swarm/member-origin.ts';
import type { AgentConfig, UpstreamConfig } from './config.ts';

const NO_LOGIN: CredentialsProvider = {
  ...anonymous,
  source: 'none is used, since members told this origin: name it in the configuration of this node (origin) to use the login of this host',
};

/** Makes the clients of origins, all over one set of connections. */
export class OriginClients {
  readonly #config: Pick<AgentConfig, 'originUsername' | 'originPasswordFile' | 'upstreams' | 'limits'>;
  readonly #network: Network;
  readonly #bandwidth: Pick<Bandwidth, 'originRate'>;
  readonly #dispatcher: Dispatcher;
  readonly #mirrorDispatchers: Dispatcher[] = [];

  /** @throws `config-invalid` when the CA file cannot be read */
  constructor(config: Pick<AgentConfig, 'originUsername' | 'originPasswordFile' | 'originCa' | 'upstreams' | 'limits'>, network: Network, bandwidth: Pick<Bandwidth, 'originRate'>) {
    this.#config = config;
    this.#network = network;
    this.#bandwidth = bandwidth;
    this.#dispatcher = makeDispatchers({ caFile: config.originCa }, DEFAULT_TIMEOUTS.connectMs).registry;
  }

  /** @throws `config-invalid` */
  configured(url: string): Origin {
    const { originUsername: user, originPasswordFile: file } = this.#config;
    return this.#registry(url, user === undefined || file === undefined ? undefined : passwordFileCredentials(user, file));
  }

  /**
   * What members name. A login of this host, also one that docker or podman has, goes there only where this host's own configuration
   * names that registry with that scheme: else one member could have it sent to an address of its choice. @throws `config-invalid`
   */
  learned(url: string): Origin {
    const peerId = embeddedOriginPeer(url);
    if (peerId !== undefined) return new MemberOrigin(this.#network, peerId);
    const named = this.#config.upstreams.find((upstream) => new URL(upstream.url).origin === new URL(url).origin);
    return named === undefined ? this.#registry(url, NO_LOGIN) : this.mirror(named);
  }

  /** A registry that is mirrored beside the origin, with its own login and certificates. @throws `config-invalid` */
  mirror({ url, login, ca }: UpstreamConfig): Origin {
    const dispatcher = ca === undefined ? this.#dispatcher : makeDispatchers({ caFile: ca }, DEFAULT_TIMEOUTS.connectMs).registry;
    if (dispatcher !== this.#dispatcher) this.#mirrorDispatchers.push(dispatcher);
    return this.#registry(url, login === undefined ? undefined : passwordFileCredentials(login.username, login.passwordFile), dispatcher);
  }

  /** Where pushes are passed on to. */
  upstream(origin: Origin | undefined): { url: string; dispatcher: Dispatcher } | undefined {
    return origin === undefined ? undefined : { url: origin.url, dispatcher: this.#dispatcher };
  }

  async close(): Promise<void> {
    await Promise.all([this.#dispatcher, ...this.#mirrorDispatchers].map((dispatcher) => dispatcher.destroy()));
  }

  #registry(url: string, credentials: CredentialsProvider | undefined, dispatcher = this.#dispatcher): RegistryOrigin {
    const { origin: bytesPerSecond, originConnections: maxConnections } = this.#config.limits;
    return new RegistryOrigin({ url, credentials, maxConnections, bytesPerSecond, sharedRate: this.#bandwidth.originRate, dispatcher });
  }
}
