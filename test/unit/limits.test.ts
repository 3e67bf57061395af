import test from 'ava';
import { readFileSync } from 'node:fs';
import { settings } from '../../src/agent/config/settings.ts';
import { limitsOf } from '../../src/agent/view/limits.ts';
import { DEFAULT_MAX_VIRTUAL_SIZE } from '../../src/convert/header/disk-header.ts';
import { MAX_PARTITIONS } from '../../src/convert/partition/partition.ts';
import { MAX_MANIFEST_BYTES } from '../../src/oci/manifest.ts';
import { MAX_REDIRECTS } from '../../src/origin/redirect.ts';
import { DEFAULT_CONNECTIONS } from '../../src/registry/http/endpoint.ts';
import { MAX_HELD_BYTES, MAX_MEMORY_BYTES } from '../../src/registry/pull/held-blobs.ts';
import { RESERVE_BYTES } from '../../src/store/store.ts';
import { MAX_DATA_BYTES } from '../../src/swarm/lane/frame.ts';
import { DEFAULT_CHANNEL_LIMITS } from '../../src/swarm/network/control-channel.ts';
import { MAX_FRAME_BYTES } from '../../src/swarm/protocol/frame.ts';

const LIMITS = {
  upload: 0,
  download: 0,
  host: 0,
  origin: 0,
  originConnections: 16,
  bulkThreads: 1,
  members: 256,
  clients: DEFAULT_CONNECTIONS,
};

interface Row {
  readonly what: string;
  readonly limit: string;
  readonly settings: readonly string[];
  readonly name: string;
}

const rows = readFileSync(new URL('../../docs/limits.md', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| what |'))
  .map((line): Row => {
    const [, what, limit, setting, , name] = line.split('|').map((cell) => cell.trim());
    return {
      what: what!,
      limit: limit!,
      settings: [...setting!.matchAll(/`([\w.]+)`/g)].map(([, key]) => key!),
      name: /`(\w+)`/.exec(name!)?.[1] ?? '',
    };
  });

function use(maxBytes = Infinity): ReturnType<typeof limitsOf> {
  return limitsOf({
    config: { limits: LIMITS },
    network: { peers: () => [], bans: () => [], strangers: 3 },
    exchange: { activity: () => ({ leases: 0, reads: 0, sending: 4, waiting: 0, coordinated: 5, bulkStrangers: 6 }) },
    store: { stats: () => ({ blobs: 1, bytes: 7, maxBytes, partials: 0 }) },
    registry: { connections: 2, uploads: 1 },
    status: undefined,
  });
}

test('status shows each limit that the table gives a name, with what is used of it', (t) => {
  t.deepEqual(
    rows
      .map(({ name }) => name)
      .filter((name) => name !== '')
      .sort(),
    use()
      .map(({ name }) => name)
      .sort(),
  );
  for (const { name, used, limit, setting } of use(1000)) {
    t.true(Number.isInteger(used) && used >= 0, name);
    t.true(limit === null || limit >= used, name);
    if (setting !== null) t.true(rows.find((row) => row.name === name)?.settings.includes(setting), name);
  }
  t.is(use().find(({ name }) => name === 'storeBytes')?.limit, null);
});

test('the table has every setting of a limit, and none that is not there', (t) => {
  const known = new Set(settings.map(({ path }) => path.join('.')));
  const shown = rows.flatMap((row) => row.settings);
  for (const key of shown) t.true(known.has(key), key);
  for (const key of known) if (key.startsWith('limits.')) t.true(shown.includes(key), key);
});

test('numbers of the table are those of the code', (t) => {
  const limitOf = (what: string): string => rows.find((row) => row.what === what)?.limit ?? '';
  const mib = (bytes: number): string => `${bytes / 2 ** 20} MiB`;
  t.regex(limitOf('a manifest'), new RegExp(`^${mib(MAX_MANIFEST_BYTES)},`));
  t.is(MAX_FRAME_BYTES, (4 << 20) + 4096);
  t.regex(limitOf('a message'), new RegExp(`^4 MiB and 4 KiB; ${DEFAULT_CHANNEL_LIMITS.maxUnaskedBytes / 1024} KiB`));
  t.is(limitOf('bytes that wait for one member'), mib(DEFAULT_CHANNEL_LIMITS.maxQueuedBytes));
  t.is(limitOf('messages of one member being handled'), String(DEFAULT_CHANNEL_LIMITS.maxHandling));
  t.is(limitOf('data in one lane frame'), `${MAX_DATA_BYTES / 1024} KiB`);
  t.is(limitOf('free bytes that stay'), mib(RESERVE_BYTES));
  t.is(limitOf('redirects of a registry'), String(MAX_REDIRECTS));
  t.is(limitOf('the virtual size of a disk image'), `${DEFAULT_MAX_VIRTUAL_SIZE / 1024 ** 4} TiB`);
  t.regex(limitOf('partitions, logical volumes, segments of one'), new RegExp(`^${MAX_PARTITIONS},`));
  t.is(
    limitOf('what passes through, and is proven in memory before its first byte'),
    `blobs of ${mib(MAX_HELD_BYTES)}, ${mib(MAX_MEMORY_BYTES)} of them`,
  );
  t.regex(limitOf('connections of clients'), new RegExp(`^${DEFAULT_CONNECTIONS.toLocaleString('en')},`));
});
