import type { Dispatcher } from 'undici';
import { anonymous, type CredentialsProvider, passwordFileCredentials } from '../../origin/credentials.ts';
import type { Origin } from '../../origin/origin.ts';
import { RegistryOrigin } from '../../origin/registry-origin.ts';
import { DEFAULT_TIMEOUTS } from '../../origin/registry-options.ts';
import { makeDispatchers } from '../../origin/tls.ts';
import type { Bandwidth } from '../../swarm/lane/pace/bandwidth.ts';
import type { PeerNetwork } from '../../swarm/network/network.ts';
import { embeddedOriginPeer, MemberOrigin, type MemberRead } from '../../swarm/member-origin.ts';
import type { RuledUpstream, SwarmRules } from '../charter/swarm-rules.ts';
import type { AgentConfig } from '../config/config.ts';

const NO_LOGIN: CredentialsProvider = {
  ...anonymous,
  source: 'none is used, since members told this origin: name it in the configuration of this node (origin) to use the login of this host',
};

export type OriginClientsConfig = Pick<
  AgentConfig,
  'originUsername' | 'originPasswordFile' | 'originCa' | 'upstreams' | 'limits' | 'allow'
>;

/** Makes the clients of origins, and closes their connections. */
export class OriginClients {
  readonly #config: OriginClientsConfig;
  readonly #network: PeerNetwork;
  readonly #bandwidth: Pick<Bandwidth, 'originRate'>;
  readonly #read: MemberRead;
  readonly #dispatchers = new WeakMap<Origin, Dispatcher>();
  readonly #opened: Dispatcher[] = [];

  constructor(config: OriginClientsConfig, network: PeerNetwork, bandwidth: Pick<Bandwidth, 'originRate'>, read: MemberRead) {
    this.#config = config;
    this.#network = network;
    this.#bandwidth = bandwidth;
    this.#read = read;
  }

  /** @throws `config-invalid` */
  configured(url: string, caText?: string): Origin {
    const { originUsername: user, originPasswordFile: file, originCa } = this.#config;
    const credentials = user === undefined || file === undefined ? undefined : passwordFileCredentials(user, file);
    return this.#registry(url, { credentials, ca: originCa, caText, isNamed: true });
  }

  /** What the charter names: as good as this host's own word, which says whose charter that is. @throws `config-invalid` */
  chartered(url: string, caText: string | undefined): Origin {
    return this.#registry(url, { credentials: undefined, ca: this.#config.originCa, caText, isNamed: true });
  }

  /**
   * What members name. A login of this host, also one that docker or podman has, goes there only where this host's own configuration
   * names that registry with that scheme: else one member could have it sent to an address of its choice. @throws `config-invalid`
   */
  learned(url: string): Origin {
    const peerId = embeddedOriginPeer(url);
    if (peerId !== undefined) return new MemberOrigin(this.#network, peerId, this.#read);
    const named = this.#config.upstreams.find((upstream) => new URL(upstream.url).origin === new URL(url).origin);
    return named === undefined
      ? this.#registry(url, { credentials: NO_LOGIN, ca: this.#config.originCa, caText: undefined, isNamed: false })
      : this.mirror({ ...named, caText: undefined });
  }

  /** A registry that is mirrored beside the origin, with its own login and certificates. @throws `config-invalid` */
  mirror({ url, login, ca, caText }: RuledUpstream): Origin {
    const credentials = login === undefined ? undefined : passwordFileCredentials(login.username, login.passwordFile);
    return this.#registry(url, { credentials, ca: ca ?? this.#config.originCa, caText, isNamed: true });
  }

  /** Where pushes are passed on to; an origin that is no registry has no dispatcher. */
  upstream(origin: Origin | undefined): { url: string; dispatcher: Dispatcher | undefined } | undefined {
    return origin === undefined ? undefined : { url: origin.url, dispatcher: this.#dispatchers.get(origin) };
  }

  async close(): Promise<void> {
    await Promise.all(this.#opened.map((dispatcher) => dispatcher.destroy()));
  }

  /** `isNamed`: by this host's configuration, so that it may be anywhere; where a member's word leads is checked as a redirect is. */
  #registry(
    url: string,
    {
      credentials,
      ca,
      caText,
      isNamed,
    }: { credentials: CredentialsProvider | undefined; ca: string | undefined; caText: string | undefined; isNamed: boolean },
  ): RegistryOrigin {
    const { origin: bytesPerSecond, originConnections: maxConnections } = this.#config.limits;
    const { redirects } = this.#config.allow;
    const dispatchers = makeDispatchers({ url, isNamed, redirects, connectMs: DEFAULT_TIMEOUTS.connectMs, caFile: ca, caText });
    this.#opened.push(...new Set([dispatchers.registry, dispatchers.storage]));
    const origin = new RegistryOrigin({
      url,
      credentials,
      isNamed,
      caFile: ca,
      caText,
      maxConnections,
      bytesPerSecond,
      sharedRate: this.#bandwidth.originRate,
      dispatchers,
      redirects,
      ...(isNamed ? {} : { credentialsFor: () => NO_LOGIN }),
    });
    this.#dispatchers.set(origin, dispatchers.registry);
    return origin;
  }
}

/** The client of an origin that is not the one of the start: it may be the configured one again, the charter's, or what members name. @throws `config-invalid` */
export function openOrigin(url: string, rules: SwarmRules, clients: OriginClients): Origin {
  const ca = rules.isCharterOrigin(url) ? rules.charter.originCa : undefined;
  if (rules.isConfiguredOrigin(url)) return clients.configured(url, ca);
  return rules.isCharterOrigin(url) ? clients.chartered(url, ca) : clients.learned(url);
}
