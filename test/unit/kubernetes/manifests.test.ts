import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import test from 'ava';
import { parse } from 'yaml';
import { chartDigest, CHART, RENDERED } from '../../../config/helm/chart.ts';
import { loadConfig } from '../../../src/agent/config/config.ts';
import { version } from '../../../src/version.ts';
import { type Manifest, manifests } from '../../support/pod.ts';
import { tempDir } from '../../support/temp-dir.ts';

const FOLDER = resolve(import.meta.dirname, '../../../config/kubernetes');

/** The model of the package that has the API's schema of it. */
async function model({ apiVersion, kind }: Manifest): Promise<new (manifest: Manifest) => { validate(): void }> {
  const models = apiVersion.startsWith('monitoring.coreos.com/') ? '@kubernetes-models/prometheus-operator' : 'kubernetes-models';
  const found = (await import(`${models}/${apiVersion}/${kind}`)) as Record<string, new (manifest: Manifest) => { validate(): void }>;
  return found[kind]!;
}

for (const name of Object.keys(RENDERED)) {
  test(`config/kubernetes/${name} is made of the chart as it is, and fits the schemas of the API`, async (t) => {
    t.true(
      readFileSync(join(FOLDER, name), 'utf8').startsWith(`# Made of the chart by "npm run chart", chart ${chartDigest()}\n`),
      'run "npm run chart"',
    );
    const all = manifests(name);
    t.true(all.length > 0);
    for (const manifest of all) {
      const Model = await model(manifest);
      t.notThrows(() => {
        new Model(manifest).validate();
      }, `${manifest.kind} ${manifest.metadata.name}`);
      t.is(manifest.metadata.namespace, manifest.kind === 'PriorityClass' ? undefined : 'layerswarm');
    }
  });
}

test('what the schemas refuse is refused', async (t) => {
  const [daemonSet] = manifests('layerswarm.yaml').filter(({ kind }) => kind === 'DaemonSet');
  const Model = await model(daemonSet!);
  t.throws(
    () => {
      new Model({ ...daemonSet!, spec: {} }).validate();
    },
    { message: /selector/ },
  );
});

test('the configuration in it is one that the program takes, and the chart is of its version', async (t) => {
  for (const name of ['layerswarm.yaml', 'pod-network.yaml']) {
    const data = manifests(name).find(({ kind }) => kind === 'ConfigMap')!.data!;
    const file = join(tempDir(t, 'cm'), 'layerswarm.yaml');
    writeFileSync(file, data['layerswarm.yaml']!);
    const config = await loadConfig({ file, env: {} });
    t.is(config.origin, 'https://registry.example');
    t.deepEqual(config.bootstrap, ['dns:layerswarm.layerswarm.svc:4001']);
    t.is(config.registry.host, name === 'layerswarm.yaml' ? '127.0.0.1' : '0.0.0.0');
  }
  const chart = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')) as { version: string; appVersion: string };
  t.deepEqual([chart.version, chart.appVersion], [version, version]);
});

test('nothing of it may do more than it must', (t) => {
  const pods = Object.keys(RENDERED)
    .flatMap((name) => manifests(name))
    .flatMap(({ spec }) => spec?.template?.spec ?? []);
  for (const { containers, initContainers = [], volumes, automountServiceAccountToken } of pods) {
    for (const { name, securityContext, resources, volumeMounts = [] } of [...containers, ...initContainers]) {
      t.true(securityContext.readOnlyRootFilesystem, name);
      t.false(securityContext.allowPrivilegeEscalation, name);
      t.deepEqual(securityContext.capabilities?.drop, ['ALL'], name);
      t.truthy(resources.limits.memory, name);
      for (const mount of volumeMounts)
        t.true(
          volumes.some((volume) => volume.name === mount.name),
          `${name} mounts ${mount.name}`,
        );
    }
    for (const { name, securityContext } of containers) t.is(securityContext.runAsUser, undefined, `${name} is the pod's own user`);
    if (!containers.some(({ name }) => name === 'wait')) t.false(automountServiceAccountToken);
  }
  const rules = Object.keys(RENDERED)
    .flatMap((name) => manifests(name))
    .flatMap(({ rules }) => rules ?? []);
  t.deepEqual(rules, [{ apiGroups: ['apps'], resources: ['daemonsets'], resourceNames: ['layerswarm-undo'], verbs: ['get'] }]);
});

test('the service selects the pods, and a policy is there where there is a network of pods', (t) => {
  for (const name of ['layerswarm.yaml', 'pod-network.yaml']) {
    const all = manifests(name);
    const { labels } = all.find(({ kind }) => kind === 'DaemonSet')!.spec!.template!.metadata;
    for (const [key, value] of Object.entries(all.find(({ kind }) => kind === 'Service')!.spec!.selector!)) t.is(labels[key], value);
    t.is(
      all.some(({ kind }) => kind === 'NetworkPolicy'),
      name === 'pod-network.yaml',
    );
  }
});
