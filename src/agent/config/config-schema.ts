import { z } from 'zod';
import { isOriginName } from '../../origin/origin-name.ts';
import { replicationSchema } from './replication-schema.ts';
import { parseDuration, parseRate } from '../../quantity.ts';
import { MAX_THREADS } from '../../swarm/lane/route.ts';
import {
  file,
  hostPort,
  memberAddress,
  mirrorObject,
  mirrorText,
  multiaddr,
  optionalHostPort,
  originUrl,
  parseInterval,
  quantity,
  repositoryPattern,
  setting,
  shortName,
  storeLimit,
} from './setting-types.ts';

/**
 * Every setting of the agent, once: validation, `config/layerswarm.yaml`, `config/schema.json`, the flags of `layerswarm agent`
 * and the `LAYERSWARM_*` variables all follow from this schema. Secrets are given as files only.
 */

const RATE = 'a rate such as 50MB/s or 400Mbit/s, or 0 for no limit';

export const configSchema = z.strictObject({
  data: setting(
    z.string().min(1).optional(),
    'a directory',
    'Directory of the blob store, the peer key and agent.json. Default: /var/lib/layerswarm, or ~/.local/share/layerswarm when not root.',
  ),
  origin: setting(
    originUrl.default('auto'),
    'auto, embedded, or a URL such as https://registry.example:5000 or https://harbor.example/project, without credentials',
    'The one registry that decides what a tag means. auto: learned from the swarm. embedded: this node is the origin and takes pushes. Else the URL of a registry, with the path under which its repositories are where they are under one; http:// talks to it without TLS.',
  ),
  originName: setting(
    z.string().refine(isOriginName).optional(),
    'a name of at most 40 lower-case letters, digits, "." and "-"',
    'What an embedded origin is called: its images are NAME.embedded/team/app:1.0. Kept with the data directory; the first time it is the name of the node.',
  ),
  originUsername: setting(
    z.string().min(1).optional(),
    'a user name',
    'User name for the origin. Without one, the credentials of ~/.docker/config.json and its helpers are used.',
  ),
  originPasswordFile: setting(file.optional(), 'a file', 'File that holds the password or token for originUsername.'),
  originCa: setting(file.optional(), 'a file of PEM certificates', 'CA certificates for the origin, beside those of the system.'),
  registry: setting(
    hostPort.prefault('127.0.0.1:5050'),
    'HOST:PORT',
    'Where container runtimes pull from. Whoever reaches it gets what this node may read: keep it on loopback unless that is meant.',
  ),
  push: setting(
    optionalHostPort.prefault('off'),
    'HOST:PORT or off',
    "A second listener that passes pushes through to the origin, with the caller's own credentials.",
  ),
  status: setting(
    optionalHostPort.prefault('127.0.0.1:5051'),
    'HOST:PORT or off',
    'Read-only HTTP: the live page, /metrics, /healthz, /readyz and /api/v1.',
  ),
  hostNames: setting(
    z
      .array(
        z
          .string()
          .regex(/^[A-Za-z0-9.-]{1,253}$/)
          .transform((name) => name.toLowerCase()),
      )
      .max(64)
      .default([]),
    'names such as registry.local',
    'Names by which clients may call the listeners on loopback beside their addresses and localhost. A web page can make a name of its own mean loopback, so others are answered with 421.',
  ),
  listen: setting(
    z.array(multiaddr).optional(),
    'multiaddrs such as /ip4/0.0.0.0/tcp/4001',
    'Addresses for the members of the swarm. Default: /ip4/0.0.0.0/tcp/4001 with a swarm key or open, /ip4/127.0.0.1/tcp/4001 without.',
  ),
  announce: setting(
    z.array(multiaddr).default([]),
    'multiaddrs such as /ip4/192.0.2.10/tcp/4001',
    'Addresses that members are told to dial instead of those found on the interfaces.',
  ),
  bulk: setting(
    optionalHostPort.optional(),
    'HOST:PORT or off',
    'Port of the fast lanes between members (TLS 1.3). Where it cannot be reached, blobs go over the listen port. Default: 0.0.0.0:4002 with a swarm key or open, 127.0.0.1:4002 without.',
  ),
  bootstrap: setting(
    z.array(memberAddress).default([]),
    'addresses such as seed.example:4001 or /ip4/192.0.2.10/tcp/4001',
    'Members to dial at start. One is enough, any will do; none is needed where mDNS reaches the others or a restarted node remembers them.',
  ),
  swarmKey: setting(
    z.array(file).max(2).default([]),
    'one key file, or two during a rotation',
    'Swarm key file, made by "layerswarm key FILE". With two, both are accepted and the first is offered.',
  ),
  charterKey: setting(
    z
      .string()
      .regex(/^[A-Za-z0-9._-]{1,64}:[A-Za-z0-9_-]{43}$/)
      .optional(),
    'a public key as "layerswarm charter keygen" prints it (NAME:KEY)',
    'The operator whose charter this node follows: what it says of origin, mirrors, exclusions and tags goes before what is said here, and members pass it on.',
  ),
  open: setting(
    z.boolean().default(false),
    'true or false',
    'Let a node without a swarm key listen beyond loopback: anybody who reaches it is a member.',
  ),
  mdns: setting(z.boolean().default(true), 'true or false', 'Find members on the local network by multicast DNS.'),
  name: setting(
    shortName.optional(),
    'a name of at most 100 letters, digits, ".", "_" or "-"',
    "What people call this node, beside its peer id. Default: the host's name.",
  ),
  zone: setting(
    shortName.default('default'),
    'a name of at most 100 letters, digits, ".", "_" or "-"',
    'Where this node stands (rack, site, availability zone): nearer members are preferred.',
  ),
  store: z
    .strictObject({
      maxBytes: setting(
        storeLimit.prefault('50%'),
        'a size such as 200GiB, or a share of the file system such as 50%',
        'The store evicts what was used least recently beyond this, never what is pinned, in use, or held as embedded origin.',
      ),
      maxAge: setting(
        quantity(parseDuration).prefault(0),
        'a duration such as 30d, or 0 for no limit',
        'Blobs that nobody used for this long are evicted.',
      ),
      gcInterval: setting(
        quantity(parseInterval).prefault('1h'),
        'a duration from 1s to 24d such as 1h',
        'How often the store is cleaned of what is old, idle or over its limit.',
      ),
      checkedFor: setting(
        quantity(parseDuration).prefault('1d'),
        'a duration such as 1d, or 0 to compare them each time',
        'How long a file that was read and found right is given out without its bytes being compared again, while nobody writes to it. Before that no byte of it leaves uncompared: a disk may lose a bit.',
      ),
      scrubInterval: setting(
        quantity(parseDuration).prefault('7d'),
        'a duration such as 7d, or 0 for never',
        'How often every blob is read again in the background, slowly, and fetched anew where the disk gives other bytes than were proven.',
      ),
    })
    .prefault({})
    .describe('What is kept on disk.'),
  tags: z
    .strictObject({
      ttl: setting(
        quantity(parseDuration).prefault('30s'),
        'a duration such as 30s',
        'How long an answer of the origin to "what does this tag mean" is used again.',
      ),
      staleFor: setting(
        quantity(parseDuration).prefault('7d'),
        'a duration such as 7d',
        'While the origin is down, the answer that this node remembers, else the one that members agree on, is served as stale, up to this age.',
      ),
      witnesses: setting(
        z.int().min(1).max(32).optional(),
        'a number from 1 to 32',
        'How many members on different hosts must remember the same before a node that does not remember itself believes it. Default: 2 where three or more members are connected or were within the last hour, 1 where fewer.',
      ),
    })
    .prefault({})
    .describe('How fresh a tag is.'),
  access: z
    .strictObject({
      ttl: setting(
        quantity(parseDuration).prefault('5m'),
        'a duration such as 5m',
        "How long a registry's word that this node may read a repository is not asked for again.",
      ),
      staleFor: setting(
        quantity(parseDuration).prefault('7d'),
        'a duration such as 7d',
        'While the registry is down, how old that word may be. It outlasts a restart; a refusal holds until the registry says otherwise.',
      ),
    })
    .prefault({})
    .describe('Who may read: this node serves what its own credentials may read at the registry.'),
  limits: z
    .strictObject({
      upload: setting(quantity(parseRate).prefault(0), RATE, 'Blob bytes a second sent to members.'),
      download: setting(
        quantity(parseRate).prefault(0),
        RATE,
        'Blob bytes a second received from members and read from the origin and other registries.',
      ),
      host: setting(
        quantity(parseRate).prefault(0),
        RATE,
        'Blob bytes a second sent to, and received from, any one host (IP address) of members.',
      ),
      origin: setting(quantity(parseRate).prefault(0), RATE, 'Blob bytes a second read from the origin; from each other registry as many.'),
      originConnections: setting(z.int().min(1).max(256).default(16), 'a number from 1 to 256', 'Connections to the origin at a time.'),
      bulkThreads: setting(
        z.int().min(1).max(MAX_THREADS).optional(),
        `a number from 1 to ${MAX_THREADS}`,
        'Threads that move blobs, each blob in one of them; they share the bulk port. Default: half as many as there are processors, 1 to 4.',
      ),
      members: setting(
        z.int().min(4).max(4096).default(256),
        'a number from 4 to 4096',
        'Members that this node is connected to; in a larger swarm it knows a changing part of the others.',
      ),
      clients: setting(
        z.int().min(16).max(65_536).default(4096),
        'a number from 16 to 65536',
        'Connections to the registry endpoint at a time; one address may have a quarter of them.',
      ),
    })
    .prefault({})
    .describe('Bandwidth and connections; "layerswarm status --json" has what is used of them.'),
  emit: setting(
    z.enum(['proven', 'vouched']).default('proven'),
    'proven or vouched',
    'What a client is given of a blob that is still arriving: bytes whose digest is proven, or already those that a signed list vouches for, and parts that are asked for by Range first of all (lazy clients).',
  ),
  mirrors: setting(
    z
      .array(z.union([mirrorText, mirrorObject]))
      .max(64)
      .prefault(['docker.io']),
    'registry names such as docker.io, quay.io=https://quay.io, docker.io=https://harbor.example/dockerhub-proxy, or {name, url, username, passwordFile, ca}',
    'Registries that are served beside the origin, and no others: what a runtime may say with ?ns=, and what a reference may begin with. A name alone: the origin answers for it. With a url: read from there, with credentials of its own.',
  ),
  exclude: setting(
    z.array(repositoryPattern).default([]),
    'repository names, * for any part, such as secret/*',
    'Repositories that are read from their registry only: never announced, never given to members. With or without the registry: secret/*, quay.io/team/*.',
  ),
  allow: z
    .strictObject({
      prefetch: setting(
        z.boolean().default(true),
        'true or false',
        'Members may ask this node to pull an image ("layerswarm pull --all").',
      ),
      pin: setting(z.boolean().default(false), 'true or false', 'Members may pin and unpin images here.'),
      purge: setting(z.boolean().default(false), 'true or false', 'Members may remove images here.'),
      redirects: setting(
        z.array(z.string().regex(/^[A-Za-z0-9.:-]+$/)).default([]),
        'host names or IP addresses such as 127.0.0.1',
        'Hosts on loopback or link-local addresses where a registry may redirect this node to, or have its token service. Others there are refused, but for a registry that is on loopback itself.',
      ),
    })
    .prefault({})
    .describe('What other members of the swarm, and registries, may have this node do.'),
  replication: replicationSchema.describe('Which images this node carries to other registries. In the file only.'),
  containerd: z
    .strictObject({
      socket: setting(
        z.string().regex(/^\//).max(107).optional(),
        'an absolute path such as /run/containerd/containerd.sock',
        "Socket of the containerd whose content is shared with members from where it lies, without a copy; also that of a Docker Engine with containerd's image store. Off when absent.",
      ),
      root: setting(
        z.string().regex(/^\//).default('/var/lib/containerd'),
        'an absolute path',
        'Root directory of that containerd (its "root" setting), as this node sees it.',
      ),
      namespaces: setting(
        z
          .array(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,75}$/))
          .min(1)
          .default(['k8s.io', 'default', 'moby']),
        'names of containerd namespaces',
        'Namespaces whose content is shared: k8s.io of Kubernetes, default of ctr, moby of the Docker Engine.',
      ),
    })
    .prefault({})
    .describe('What containerd on this host holds already.'),
  socket: z
    .strictObject({
      path: setting(
        z.string().regex(/^\//).max(107).optional(),
        'an absolute path of at most 107 bytes',
        'Control socket. Default: in $XDG_RUNTIME_DIR, or /run/layerswarm for root, else in the data directory.',
      ),
      group: setting(
        z.string().min(1).optional(),
        'a group name or number',
        'Group whose members may use the control socket (mode 0660); without one only its owner may (0600).',
      ),
    })
    .prefault({})
    .describe('The socket that the command line talks to.'),
  log: z
    .strictObject({
      level: setting(
        z.enum(['debug', 'info', 'warn', 'error']).default('info'),
        'debug, info, warn or error',
        'Least severe lines that are logged.',
      ),
      format: setting(z.enum(['text', 'json']).default('text'), 'text or json', 'Form of the log lines on stderr.'),
    })
    .prefault({})
    .describe('Log lines, on stderr.'),
});

export type ConfigInput = z.input<typeof configSchema>;
export type ParsedConfig = z.output<typeof configSchema>;
