import test from 'ava';
import { isEmbeddedRegistry, isOriginName, originNameFrom, registryCalled } from '../../../src/origin/origin-name.ts';
import { Reference } from '../../../src/oci/reference.ts';

for (const [host, name] of [
  ['node-7', 'node-7'],
  ['Build_Server.Example.COM', 'build-server.example.com'],
  ['..-x-..', 'x'],
  ['機', 'origin'],
  ['a'.repeat(63), 'a'.repeat(40)],
  [`${'a'.repeat(39)}-b`, 'a'.repeat(39)],
] as const) {
  test(`a host that is called ${host} has the origin ${name}`, (t) => {
    t.is(originNameFrom(host), name);
    t.true(isOriginName(name));
    t.is(Reference.parse(`${registryCalled(name)}/team/app:v1`).registry, `${name}.embedded`);
  });
}

test("a name is a host's, and never as long as a peer id", (t) => {
  for (const text of ['', '-a', 'a-', 'a..b', 'A', 'a_b', 'a/b', 'a:1', '12d3koowkndg3ixw9etfijk3ewsunzcfi54zka4wmtqtt6rpxc8x'])
    t.false(isOriginName(text), text);
});

test('the registries of embedded origins are of a kind of their own', (t) => {
  t.true(isEmbeddedRegistry('Reg.Embedded'));
  for (const host of ['embedded', 'docker.io', 'reg.embedded.example', 'reg.embedded:5000']) t.false(isEmbeddedRegistry(host), host);
});
