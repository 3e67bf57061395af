import test from 'ava';
import { newSharedSlots, UploadSlots, type SharedSlots, type Slot, type SlotLane } from '../../../../src/swarm/lane/upload-slots.ts';

class Scene {
  now = 0;
  readonly slots: UploadSlots;
  /** Ranges under way, in the order in which they began. */
  readonly sending: { readonly lane: TestLane; readonly slot: () => Slot }[] = [];
  refused = 0;

  constructor(shared?: SharedSlots) {
    this.slots = new UploadSlots(() => this.now, shared);
  }

  ask(lane: TestLane): Slot {
    const slot: Slot = this.slots.enter(
      lane,
      () => {
        this.sending.push({ lane, slot: () => slot });
      },
      () => {
        this.refused += 1;
      },
    );
    return slot;
  }

  /** A second passes in which each range under way moves this many bytes. */
  second(bytes: number): void {
    this.now += 1000;
    for (const { lane } of this.sending) lane.sentBytes += bytes;
    this.slots.tick();
  }

  endFirst(): TestLane {
    const { lane, slot } = this.sending.shift()!;
    slot().end();
    return lane;
  }
}

class TestLane implements SlotLane {
  sentBytes = 0;
  readonly host: string;

  constructor(host: string) {
    this.host = host;
  }
}

test('of hundreds that ask, a bounded number is served at a time, and each of them in the end', (t) => {
  const scene = new Scene();
  const lanes = Array.from({ length: 300 }, (_, i) => new TestLane(`host ${i}`));
  for (const lane of lanes) scene.ask(lane);
  t.is(scene.sending.length, 8);
  const served: TestLane[] = [];
  while (scene.sending.length > 0) served.push(scene.endFirst());
  t.deepEqual(served, lanes);
  t.is(scene.refused, 0);
});

test('a faster uplink serves more at a time', (t) => {
  const scene = new Scene();
  for (let i = 0; i < 500; i++) scene.ask(new TestLane(`host ${i}`));
  scene.second(5 << 20);
  t.is(scene.slots.slots, 40);
  t.is(scene.sending.length, 40);
  scene.second(100 << 20);
  t.is(scene.sending.length, 256);
  // What is under way goes on, and nobody new begins.
  scene.second(1000);
  t.is(scene.slots.slots, 8);
  scene.endFirst();
  t.is(scene.sending.length, 255);
});

test('hosts take turns, however much one of them asks for', (t) => {
  const scene = new Scene();
  const [busy, other] = [new TestLane('busy'), new TestLane('other')];
  for (let i = 0; i < 100; i++) scene.ask(busy);
  scene.ask(other);
  scene.ask(other);
  const order = Array.from({ length: 14 }, () => scene.endFirst().host);
  t.deepEqual(order, [...Array.from({ length: 8 }, () => 'busy'), 'busy', 'other', 'busy', 'other', 'busy', 'busy']);
});

test('lanes that take nothing do not keep the others from being served', (t) => {
  const scene = new Scene();
  const stuck = Array.from({ length: 8 }, (_, i) => new TestLane(`stuck ${i}`));
  for (const lane of stuck) scene.ask(lane);
  const other = new TestLane('other');
  scene.ask(other);
  for (let i = 0; i < 4; i++) scene.second(0);
  t.is(scene.sending.length, 8);
  scene.second(0);
  t.is(scene.sending.at(-1)?.lane, other);
  t.is(scene.refused, 0);
});

test('who has waited too long is told to look elsewhere', (t) => {
  const scene = new Scene();
  for (let i = 0; i < 9; i++) scene.ask(new TestLane(`host ${i}`));
  for (let i = 0; i < 9; i++) scene.second(1000);
  t.is(scene.refused, 0);
  scene.second(1000);
  t.is(scene.refused, 1);
  t.is(scene.sending.length, 8);
});

test('what is not wanted any more gives its place up, while it waits and while it is sent', (t) => {
  const scene = new Scene();
  const slots = Array.from({ length: 10 }, (_, i) => scene.ask(new TestLane(`host ${i}`)));
  slots[8]!.end();
  slots[8]!.end();
  slots[0]!.end();
  slots[0]!.end();
  t.deepEqual(
    scene.sending.map(({ lane }) => lane.host),
    [0, 1, 2, 3, 4, 5, 6, 7, 9].map((i) => `host ${i}`),
  );
});

test('threads share the slots of the node: each has its part, and what the others leave', (t) => {
  const memory = newSharedSlots(2);
  const [a, b] = [0, 1].map((thread) => new Scene({ memory, thread, threads: 2 })) as [Scene, Scene];
  for (let i = 0; i < 100; i++) a.ask(new TestLane(`host ${i}`));
  t.is(a.sending.length, 8);
  for (let i = 0; i < 100; i++) b.ask(new TestLane(`host ${i}`));
  t.is(b.sending.length, 4);
  // What had more than its part gives it up as it ends.
  while (a.sending.length > 4) a.endFirst();
  t.is(a.sending.length + b.sending.length, 8);
  a.endFirst();
  t.is(a.sending.length, 4);
  while (b.sending.length > 0) b.endFirst();
  a.endFirst();
  t.is(a.sending.length, 8);
  // What one of them earns is the node's.
  a.second(20 << 20);
  t.true(a.slots.slots > 8);
  t.is(b.slots.slots, Math.max(4, a.slots.slots - a.sending.length));
});
