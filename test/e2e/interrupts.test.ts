import test from 'ava';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MAIN } from '../support/cli.ts';
import { ControlClient } from '../../src/control/control-client.ts';
import type { OperationName, Operations } from '../../src/control/operations.ts';
import { errorCode } from '../../src/errors.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { startFaultProxy } from '../support/fault-proxy.ts';
import { bootstrapOf, programEnv, startAgent } from '../support/layerswarm.ts';
import { startProgram } from '../support/process.ts';
import { pushImage } from '../support/registry-content.ts';
import { requireTool } from '../support/require-tool.ts';
import { writeTar } from '../support/tar-file.ts';
import { tempDir } from '../support/temp-dir.ts';

const TIMES = 100;
const AT_ONCE = 12;
const TARBALLS = 25;
const MAX_DELAY_MS = 120;

test('every operation may be given up at any moment, again and again, and the agent stays as it was', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  t.timeout(300_000);
  const registry = await startDockerRegistry(t);
  const proxy = await startFaultProxy(t, registry.url);
  proxy.inject({ kind: 'slow', bytesPerSecond: 300_000 }, { match: ({ url }) => url.includes('/blobs/sha256') });
  await pushImage(registry, 'team/slow', 'v1', [randomBytes(6_000_000)]);
  await pushImage(registry, 'team/small', 'v1', [randomBytes(20_000)]);
  const folder = tempDir(t, 'tar');
  const tarballs = await Promise.all(
    Array.from({ length: TARBALLS }, (_, index) =>
      writeTar(join(folder, `${index}.tar`), [{ name: 'f', content: randomBytes(2_000_000) }]),
    ),
  );
  const agent = await startAgent(t, { origin: proxy.url, args: ['--allow-pin', '--allow-purge'] });
  const member = await startAgent(t, { bootstrap: bootstrapOf(agent), args: ['--allow-pin', '--allow-purge'] });
  await member.waitForStatus('the origin', ({ peers, origin: { url } }) => peers.length === 1 && url !== null);
  await agent.cliOk(['pull', 'team/small:v1']);
  const client = await ControlClient.connect(agent.data);

  const requests: { readonly [N in OperationName]: (index: number) => Operations[N]['request'] } = {
    status: () => ({}),
    receipts: () => ({}),
    pull: () => ({ reference: 'team/slow:v1' }),
    plan: () => ({ reference: 'team/slow:v1' }),
    prefetch: () => ({ reference: 'team/slow:v1' }),
    pins: () => ({}),
    pin: (index) => ({ reference: 'team/small:v1', everywhere: index % 2 === 0 }),
    unpin: (index) => ({ reference: 'team/small:v1', everywhere: index % 2 === 0 }),
    purge: (index) => ({ reference: 'team/slow:v1', everywhere: index % 2 === 0 }),
    gc: () => ({}),
    verify: () => ({}),
    seed: (index) => ({ source: `tar:${tarballs[index % TARBALLS]!}`, as: `team/seed-${index % TARBALLS}:1` }),
    charter: () => ({}),
    'charter-publish': () => ({ text: 'none' }),
    'replicate-run': () => ({}),
  };
  const giveUp = async (name: OperationName, index: number): Promise<void> => {
    const after = Math.random() * MAX_DELAY_MS;
    const controller = new AbortController();
    const called = client.call(name, requests[name](index), { signal: controller.signal }).then(
      () => undefined,
      (error: unknown) => error,
    );
    await Promise.race([called, delay(after)]);
    controller.abort();
    const error = await called;
    if (
      error !== undefined &&
      !['aborted', 'not-found', 'disk-full', 'config-invalid', 'usage', 'peer-gone', 'unavailable'].includes(errorCode(error))
    )
      t.fail(`${name}: ${errorCode(error)}`);
  };
  const names = Object.keys(requests) as OperationName[];
  const jobs = Array.from({ length: TIMES }, (_, index) => names.map((name) => ({ name, index })))
    .flat()
    .values();
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (const { name, index } of jobs) await giveUp(name, index);
    }),
  );

  for (const node of [agent, member]) {
    t.is(node.program.exit, undefined);
    t.notRegex(node.program.stderr, /left alone|nobody catches it|an operation failed/);
  }
  t.is((await agent.cliOk(['verify'])).code, 0);
  t.is((await agent.stop()).code, 0);
});

test('Ctrl-C ends a command with 130 and a line that says what becomes of what it began', async (t) => {
  if (!requireTool(t, 'docker-registry')) return;
  const registry = await startDockerRegistry(t);
  const agent = await startAgent(t, { origin: registry.url, args: ['--limits-download', '300KB/s'] });
  for (const [tag, args, says] of [
    ['one', ['pull'], /interrupted: .*what it has is kept/],
    ['two', ['pull', '--all'], /interrupted: .*members go on/],
  ] as const) {
    const { layers } = await pushImage(registry, 'team/slow', tag, [randomBytes(9_000_000)]);
    const command = startProgram(t, process.execPath, [MAIN, '--data', agent.data, ...args, `team/slow:${tag}`], {
      env: programEnv(join(agent.data, '..')),
    });
    await agent.waitForStatus('the download', ({ transfers }) =>
      transfers.some(({ digest, haveBytes }) => haveBytes > 0 && digest === layers[0]!.digest.toString()),
    );
    command.kill('SIGINT');
    const { code, stderr } = await command.finished;
    t.is(code, 130, stderr);
    t.regex(stderr, says);
  }
  t.is(agent.program.exit, undefined);
});
