import test from 'ava';
import { makeOriginImages } from '../chaos/origin-images.ts';
import type { Plan } from '../chaos/plan.ts';
import { play } from '../chaos/play.ts';
import { requireTool } from '../support/require-tool.ts';

const TOOLS = ['root', 'ip', 'nsenter', 'tc', 'docker-registry', 'mkfs.ext4', 'tune2fs', 'fallocate', 'findmnt'];
const LINE = 400_000_000;
/** The machine may be busy with other tests: bounds are for what never ends. */
const PATIENCE = 3;

/** As `npm run chaos` draws them, but the same each time, and small. */
const PLANS: Readonly<Record<string, Plan>> = {
  'killed, frozen, cut off and full nodes, and an origin that fails': {
    seed: 0,
    nodes: 4,
    rate: LINE,
    images: [1, 3],
    auto: [2],
    liars: [],
    steps: [
      { at: 0, kind: 'origin-fault', fault: { kind: 'corrupt', at: 100_000 }, on: 'blobs', times: 2, for: 4000 },
      { at: 0, kind: 'pull', node: 0, image: 3, manner: 'plain' },
      { at: 100, kind: 'pull', node: 1, image: 3, manner: 'plain' },
      { at: 100, kind: 'pull', node: 2, image: 1, manner: 'crowd' },
      { at: 200, kind: 'pull', node: 3, image: 3, manner: 'leaves' },
      { at: 300, kind: 'kill', node: 1, for: 500 },
      { at: 400, kind: 'split', from: 0, to: [2, 3], both: false, for: 3000 },
      { at: 500, kind: 'freeze', node: 3, for: 2000 },
      { at: 600, kind: 'disk-full', node: 2, for: 3000 },
      { at: 700, kind: 'pull', node: 2, image: 3, manner: 'plain' },
      { at: 1000, kind: 'origin-kill', for: 1500 },
      { at: 1500, kind: 'unplug', host: 3, for: 1500 },
    ],
  },
  'a member that signs wrong bytes, lies about tags and knocks at doors, and strangers': {
    seed: 0,
    nodes: 4,
    rate: LINE,
    images: [2, 3],
    tokenMs: 1500,
    auto: [1],
    liars: [{ node: 3, lies: ['forgetful', 'tags', 'dial'] }],
    steps: [
      { at: 0, kind: 'strangers', node: 0, for: 5000 },
      { at: 0, kind: 'pull', node: 3, image: 3, manner: 'plain' },
      { at: 0, kind: 'pull', node: 0, image: 2, manner: 'plain' },
      { at: 2000, kind: 'pull', node: 1, image: 3, manner: 'plain' },
      { at: 2500, kind: 'origin-kill', for: 2000 },
      { at: 3000, kind: 'pull', node: 0, image: 3, manner: 'stops' },
      { at: 3000, kind: 'pull', node: 2, image: 3, manner: 'plain' },
    ],
  },
};

for (const [what, plan] of Object.entries(PLANS)) {
  test(`no byte is wrong, nobody honest is banned and every pull ends: ${what}`, async (t) => {
    if (!requireTool(t, ...TOOLS)) return;
    t.timeout(600_000);
    const images = await makeOriginImages(t, plan.images);
    const { broken, seconds, logs } = await play(plan, images, { patience: PATIENCE });
    t.log(`${seconds.toFixed(0)} s`);
    t.deepEqual(broken, [], logs.map((log, i) => `--- node ${i}\n${log.slice(-4000)}`).join('\n'));
  });
}
