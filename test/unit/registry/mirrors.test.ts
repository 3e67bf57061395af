import test, { type ExecutionContext } from 'ava';
import { staticCredentials } from '../../../src/origin/credentials.ts';
import { RegistryOrigin } from '../../../src/origin/registry-origin.ts';
import type { MirroredRegistry } from '../../../src/registry/registry.ts';
import { type DockerRegistry, REGISTRY_USER, startDockerRegistry } from '../../support/docker-registry.ts';
import { send } from '../../support/raw-http.ts';
import { type PushedImage, pushImage } from '../../support/registry-content.ts';
import { type RegistryNode, type RegistryNodeOptions, startRegistryNode } from '../../support/registry-node.ts';
import { requireTool } from '../../support/require-tool.ts';
import { waitFor } from '../../support/wait-for.ts';

const REPOSITORY = 'team/app';
const LOGIN = `Basic ${Buffer.from(`${REGISTRY_USER.username}:${REGISTRY_USER.password}`).toString('base64')}`;

interface World {
  readonly node: RegistryNode;
  readonly open: { readonly registry: DockerRegistry; readonly image: PushedImage };
  readonly closed: { readonly registry: DockerRegistry; readonly image: PushedImage };
}

/** A node whose origin is open to all, and which mirrors private.example with a login of its own. Both hold the same repository and tag. */
async function start(t: ExecutionContext, options: Partial<RegistryNodeOptions> & { readonly excluded?: string } = {}): Promise<World> {
  const [open, closed] = await Promise.all([startDockerRegistry(t), startDockerRegistry(t, { basicAuth: true })]);
  const images = [
    await pushImage(open, REPOSITORY, 'v1'),
    await pushImage({ url: closed.url, authorization: LOGIN }, REPOSITORY, 'v1'),
  ] as const;
  const origin = new RegistryOrigin({ url: open.url });
  const upstream = new RegistryOrigin({ url: closed.url, credentials: staticCredentials(REGISTRY_USER.username, REGISTRY_USER.password) });
  t.teardown(async () => {
    await Promise.all([origin.close(), upstream.close()]);
  });
  const mirrors: readonly MirroredRegistry[] = [
    {
      name: 'private.example',
      origin: upstream,
      tagMemory: () => Promise.resolve(undefined),
      isExcluded: (repository) => repository === options.excluded,
    },
  ];
  const node = await startRegistryNode(t, { ...options, origin, mirrors: () => mirrors });
  return { node, open: { registry: open, image: images[0] }, closed: { registry: closed, image: images[1] } };
}

function real(title: string, body: (t: ExecutionContext) => Promise<void>): void {
  test(title, async (t) => {
    if (requireTool(t, 'docker-registry')) await body(t);
  });
}

real('ns chooses the registry, and each is read with its own login', async (t) => {
  const { node, open, closed } = await start(t);
  for (const [path, { image, registry }] of [
    ['', open],
    ['?ns=private.example', closed],
  ] as const) {
    t.deepEqual((await send(`${node.url}/v2/${REPOSITORY}/manifests/v1${path}`)).body, image.manifest, path);
    const [layer] = image.layers;
    t.deepEqual((await send(`${node.url}/v2/${REPOSITORY}/blobs/${layer!.digest.toString()}${path}`)).body, layer!.bytes);
    t.true((await registry.waitForRequests(({ status }) => status === 200, 1)).length > 0);
  }
  t.deepEqual(
    node.images.repositories().sort(),
    [`${open.registry.host}/${REPOSITORY}`, `private.example/${REPOSITORY}`].sort(),
    'kept under their full names',
  );
});

real('a client without ns names a mirror in the path', async (t) => {
  const { node, closed } = await start(t);
  t.deepEqual((await send(`${node.url}/v2/private.example/${REPOSITORY}/manifests/v1`)).body, closed.image.manifest);
  t.deepEqual(
    (await send(`${node.url}/v2/private.example/${REPOSITORY}/blobs/${closed.image.config.digest.toString()}`)).body,
    closed.image.config.bytes,
  );
  t.deepEqual(JSON.parse((await send(`${node.url}/v2/private.example/${REPOSITORY}/tags/list`)).body.toString()), {
    name: `private.example/${REPOSITORY}`,
    tags: ['v1'],
  });
});

real('the next page of a tag list is of the same registry', async (t) => {
  const { node, closed } = await start(t);
  await pushImage({ url: closed.registry.url, authorization: LOGIN }, REPOSITORY, 'v2');
  for (const path of [`${REPOSITORY}/tags/list?n=1&ns=private.example`, `private.example/${REPOSITORY}/tags/list?n=1`]) {
    const link = /^<([^>]+)>; rel="next"$/.exec(String((await send(`${node.url}/v2/${path}`)).headers['link']))?.[1];
    t.deepEqual((JSON.parse((await send(`${node.url}${link}`)).body.toString()) as { tags: string[] }).tags, ['v2'], path);
  }
});

real('what one registry holds is not served through another', async (t) => {
  const { node, closed } = await start(t);
  const [layer] = closed.image.layers;
  const path = `/v2/${REPOSITORY}/blobs/${layer!.digest.toString()}`;
  t.is((await send(`${node.url}${path}?ns=private.example`)).status, 200);
  await waitFor('the blob to be kept', () => node.store.size(layer!.digest) !== undefined);
  t.is((await send(`${node.url}${path}`)).status, 404, 'the origin does not have it, though the store does');
  t.is((await send(`${node.url}/v2/${REPOSITORY}/manifests/${closed.image.digest.toString()}`)).status, 404);
});

real('a namespace outside the list is refused without any request', async (t) => {
  const { node, open, closed } = await start(t);
  // what the log holds so far has arrived once a later request is in it
  const mark = async ({ registry }: World['open']): Promise<number> => {
    const before = registry.requests().filter(({ url }) => url === '/v2/mark').length;
    await fetch(`${registry.url}/v2/mark`);
    await registry.waitForRequests(({ url }) => url === '/v2/mark', before + 1);
    return registry.requests().filter(({ url }) => url !== '/v2/mark').length;
  };
  const before = [await mark(open), await mark(closed)];
  for (const namespace of [
    '169.254.169.254',
    open.registry.host.replace('127.0.0.1', 'localhost'),
    'private.example:443',
    'http://private.example',
  ]) {
    const answer = await send(`${node.url}/v2/${REPOSITORY}/manifests/v1?ns=${encodeURIComponent(namespace)}`);
    t.is(answer.status, 404);
    t.regex(answer.body.toString(), /NAME_UNKNOWN.*this node mirrors/);
  }
  t.deepEqual([await mark(open), await mark(closed)], before);
});

real('one upstream that is away leaves the others alone', async (t) => {
  const { node, open, closed } = await start(t);
  await closed.registry.stop();
  t.is((await send(`${node.url}/v2/${REPOSITORY}/manifests/v1?ns=private.example`)).status, 503);
  t.deepEqual((await send(`${node.url}/v2/${REPOSITORY}/manifests/v1`)).body, open.image.manifest);
});
