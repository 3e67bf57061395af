import test from 'ava';
import { readdirSync } from 'node:fs';
import type { DemoReport } from '../../src/cli/demo/demo.ts';
import { MAIN } from '../support/cli.ts';
import { layerswarm, programEnv } from '../support/layerswarm.ts';
import { startProgram } from '../support/process.ts';
import { tempDir } from '../support/temp-dir.ts';

test('the demo ends by itself, with a receipt that adds up', async (t) => {
  const { code, stdout, stderr } = await layerswarm(['demo', '--nodes', '4', '--json'], { runtimeDir: tempDir(t, 'demo') });
  t.is(code, 0, stderr);
  const receipt = JSON.parse(stdout) as DemoReport;
  t.is(receipt.reference, 'demo/layerswarm:latest');
  t.regex(receipt.digest, /^sha256:[0-9a-f]{64}$/);
  t.is(receipt.nodes.length, 4);
  t.true(receipt.bytes > 10_000_000, 'a real image');
  t.true(receipt.copies <= 1.1, `${receipt.copies} copies`);
  t.true(Math.abs(receipt.copies - receipt.originBytes / receipt.bytes) < 0.01);
  t.true(receipt.peerBytes > 0);
  t.log(`${receipt.seconds.toFixed(1)} s, ${receipt.copies.toFixed(3)} copies`);
});

test('the demo shows a newcomer who sent what to whom', async (t) => {
  const { code, stdout, stderr } = await layerswarm(['demo', '--nodes', '3'], { runtimeDir: tempDir(t, 'demo') });
  t.is(code, 0, stderr);
  t.regex(stdout, /origin/i);
  t.regex(stdout, /copies/i);
  t.log(stdout);
});

test('an interrupted demo leaves nothing behind', async (t) => {
  const tmp = tempDir(t, 'demo');
  const program = startProgram(t, process.execPath, [MAIN, 'demo', '--nodes', '3'], { env: { ...programEnv(tmp), TMPDIR: tmp } });
  await program.waitForOutput(/nodes pull/, 240_000);
  t.is((await program.stop()).signal, null, 'it ends by itself');
  t.deepEqual(readdirSync(tmp), []);
});
