import test from 'ava';
import { errorCode } from '../../../src/errors.ts';
import { registryNameOf } from '../../../src/origin/registry-name.ts';
import { Namespaces } from '../../../src/registry/namespace.ts';

const namespaces = new Namespaces({ registryName: () => 'registry.example:5000', aliases: () => ['docker.io', 'quay.io'] });

const ROWS: readonly (readonly [query: string, isServed: boolean])[] = [
  ['', true],
  ['ns=registry.example:5000', true],
  ['ns=Registry.Example:5000', true],
  ['ns=docker.io', true],
  ['ns=quay.io', true],
  ['ns=ghcr.io', false],
  ['ns=registry.example', false],
  ['ns=169.254.169.254', false],
  ['ns=127.0.0.1:6379', false],
  ['ns=http://registry.example:5000/', false],
  ['ns=', false],
];

for (const [query, isServed] of ROWS) {
  test(`?${query} is ${isServed ? 'served from the origin' : 'refused'}`, (t) => {
    const look = (): unknown => namespaces.repository('team/app', new URLSearchParams(query));
    if (isServed) t.deepEqual(look(), { name: 'team/app', full: 'registry.example:5000/team/app' });
    else t.is(errorCode(t.throws(look)), 'not-found');
  });
}

test('without an origin nothing has a name', (t) => {
  const unknown = new Namespaces({ registryName: () => undefined, aliases: () => [] });
  t.is(errorCode(t.throws(() => unknown.repository('team/app', new URLSearchParams()))), 'origin-unknown');
});

test('a repository name is checked', (t) => {
  for (const name of ['Team/app', '../etc', 'a//b', 'a'.repeat(300)])
    t.is(errorCode(t.throws(() => namespaces.repository(name, new URLSearchParams()))), 'name-invalid');
});

for (const [url, name] of [
  ['https://registry.example:5000', 'registry.example:5000'],
  ['https://Registry.Example', 'registry.example'],
  ['http://127.0.0.1:15000/', '127.0.0.1:15000'],
  ['http://[::1]:15000', '[::1]:15000'],
  ['https://registry-1.docker.io', 'docker.io'],
  ['embedded:12D3KooWAbC', '12d3koowabc.embedded'],
] as const) {
  test(`images of ${url} are kept under ${name}`, (t) => t.is(registryNameOf(url), name));
}

const mirroring = new Namespaces({
  registryName: () => 'registry.example:5000',
  aliases: () => ['docker.io'],
  mirrors: () => ['quay.io', 'private.example:443', 'docker.io.example'],
});

const MIRROR_ROWS: readonly (readonly [name: string, query: string, full: string | undefined])[] = [
  ['team/app', '', 'registry.example:5000/team/app'],
  ['team/app', 'ns=docker.io', 'registry.example:5000/team/app'],
  ['team/app', 'ns=quay.io', 'quay.io/team/app'],
  ['team/app', 'ns=QUAY.io', 'quay.io/team/app'],
  ['team/app', 'ns=private.example:443', 'private.example:443/team/app'],
  ['team/app', 'ns=private.example', undefined],
  ['team/app', 'ns=169.254.169.254', undefined],
  ['quay.io/team/app', '', 'quay.io/team/app'],
  ['private.example_443/team/app', '', 'private.example:443/team/app'],
  ['quay.io/team/app', 'ns=registry.example:5000', 'registry.example:5000/quay.io/team/app'],
  ['docker.io/library/app', '', 'registry.example:5000/docker.io/library/app'],
  ['quay.io', '', 'registry.example:5000/quay.io'],
];

for (const [name, query, full] of MIRROR_ROWS) {
  test(`with mirrors, /v2/${name}?${query} is ${full ?? 'refused'}`, (t) => {
    if (full === undefined) t.is(errorCode(t.throws(() => mirroring.repository(name, new URLSearchParams(query)))), 'not-found');
    else t.is(mirroring.repository(name, new URLSearchParams(query)).full, full);
  });
}

test('pushes are for the origin alone', (t) => {
  t.is(errorCode(t.throws(() => mirroring.pushed('team/app', new URLSearchParams('ns=quay.io')))), 'not-found');
  t.is(mirroring.pushed('quay.io/team/app', new URLSearchParams()).full, 'registry.example:5000/quay.io/team/app');
});

test('a mirror is served while no origin is known', (t) => {
  const alone = new Namespaces({ registryName: () => undefined, aliases: () => [], mirrors: () => ['docker.io'] });
  t.deepEqual(alone.repository('library/app', new URLSearchParams('ns=docker.io')), { name: 'library/app', full: 'docker.io/library/app' });
  t.deepEqual(alone.repository('docker.io/app', new URLSearchParams()), { name: 'library/app', full: 'docker.io/library/app' });
});
