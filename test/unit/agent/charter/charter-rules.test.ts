import test from 'ava';
import { parseCharterRules } from '../../../../src/agent/charter/charter-rules.ts';
import { type RulesConfig, SwarmRules } from '../../../../src/agent/charter/swarm-rules.ts';
import { makeCertificateAuthority } from '../../../support/certificate.ts';
import { requireTool } from '../../../support/require-tool.ts';

test('a charter is read as the configuration is', async (t) => {
  if (!requireTool(t, 'openssl')) return;
  const { cert } = await makeCertificateAuthority(t);
  const indented = (by: number): string =>
    cert
      .trim()
      .split('\n')
      .map((line) => ' '.repeat(by) + line)
      .join('\n');
  t.deepEqual(
    parseCharterRules(
      `origin: https://Registry.example:443/\noriginCa: |\n${indented(2)}\nmirrors:\n  - docker.io\n  - Quay.io=https://quay.io\n  - name: ghcr.io\n    url: https://ghcr.io\n    ca: |\n${indented(6)}\nexclude: [secret/*]\ntags: { ttl: 10s, staleFor: 1d, witnesses: 2 }\nversion: 0.2.0\n`,
    ),
    {
      origin: 'https://registry.example',
      originCa: cert,
      mirrors: [{ name: 'docker.io' }, { name: 'quay.io', url: 'https://quay.io' }, { name: 'ghcr.io', url: 'https://ghcr.io', ca: cert }],
      exclude: ['secret/*'],
      tags: { ttl: 10_000, staleFor: 86_400_000, witnesses: 2 },
      version: '0.2.0',
    },
  );
  t.deepEqual(parseCharterRules(''), {
    origin: undefined,
    originCa: undefined,
    mirrors: undefined,
    exclude: [],
    tags: {},
    version: undefined,
  });
});

const wrong: readonly [title: string, content: string, message: RegExp][] = [
  ['no YAML', 'a: [', /expected YAML/],
  ['a list', '- a', /charter: expected/],
  ['an unknown key', 'orign: https://a.example', /received orign/],
  ['a login', 'origin: https://me:secret@a.example', /origin/],
  ['a login in an object', 'mirrors: [{name: a.example, url: "https://a.example", username: me}]', /mirrors/],
  ['an embedded origin', 'origin: embedded', /origin/],
  ['no certificates', 'originCa: /etc/ca.pem', /expected PEM certificates/],
  ['half a certificate', 'originCa: "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----"', /expected PEM certificates/],
  ['a mirror twice', 'mirrors: [docker.io, "docker.io=https://a.example"]', /docker\.io twice/],
  ['an alias', 'origin: &a https://a.example\nmirrors: [*a]', /expected YAML/],
];
for (const [title, content, message] of wrong) {
  test(`a charter with ${title} is refused in one line`, (t) => {
    const error = t.throws(() => parseCharterRules(content), { code: 'config-invalid', message });
    t.false(error.message.includes('\n'));
    t.false(error.message.includes('secret'));
  });
}

const own = { name: 'quay.io', url: 'https://quay.example', login: { username: 'me', passwordFile: '/run/pw' }, ca: '/etc/ca.pem' };
const config: RulesConfig = {
  origin: 'https://a.example',
  mirrors: ['docker.io'],
  upstreams: [own],
  exclude: ['mine/*'],
  tags: { ttl: 1, staleFor: 2, witnesses: undefined },
};

test('without a charter the configuration is what counts', (t) => {
  const rules = new SwarmRules(config);
  t.deepEqual(
    [rules.aliases, rules.upstreams, rules.exclude, rules.tags],
    [['docker.io'], [{ ...own, caText: undefined }], ['mine/*'], config.tags],
  );
  t.true(rules.isConfiguredOrigin('https://a.example'));
  t.false(rules.isCharterOrigin('https://a.example'));
});

test('a charter goes before it, adds to what is excluded, and sends a login nowhere but where the configuration has it', (t) => {
  const rules = new SwarmRules(config);
  rules.follow(
    parseCharterRules(
      'origin: https://b.example\nmirrors: [ghcr.io, "quay.io=https://quay.example"]\nexclude: [secret/*, mine/*]\ntags: {staleFor: 5s}\n',
    ),
  );
  t.deepEqual(
    [rules.aliases, rules.exclude, rules.tags],
    [['ghcr.io'], ['mine/*', 'secret/*'], { ttl: 1, staleFor: 5000, witnesses: undefined }],
  );
  t.deepEqual(rules.upstreams, [{ ...own, caText: undefined }]);
  t.true(rules.isCharterOrigin('https://b.example'));
  rules.follow(parseCharterRules('mirrors: ["quay.io=https://evil.example"]\n'));
  t.deepEqual(rules.upstreams, [{ name: 'quay.io', url: 'https://evil.example', login: undefined, ca: undefined, caText: undefined }]);
  rules.follow(parseCharterRules('mirrors: []\n'));
  t.deepEqual([rules.aliases, rules.upstreams], [[], []]);
});
