import test from 'ava';
import { errorCode } from '../../../src/errors.ts';
import { registryNameOf } from '../../../src/origin/registry-name.ts';
import { Namespaces } from '../../../src/registry/namespace.ts';

const namespaces = new Namespaces({ registryName: () => 'registry.example:5000', aliases: ['docker.io', 'Quay.io'] });

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
  const unknown = new Namespaces({ registryName: () => undefined, aliases: [] });
  t.is(errorCode(t.throws(() => unknown.repository('team/app', new URLSearchParams()))), 'origin-unknown');
});

test('a repository name is checked', (t) => {
  for (const name of ['Team/app', '../etc', 'a//b', 'a'.repeat(300)]) t.is(errorCode(t.throws(() => namespaces.repository(name, new URLSearchParams()))), 'name-invalid');
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
