import test from 'ava';
import type { SwarmChange } from '../../../../src/status/swarm-document.ts';
import { Feed, type EventConnection, type FeedState } from '../../../../src/status/page/feed.ts';

const CHANGE: SwarmChange = { full: true, set: {}, gone: {} };

class FakeConnection implements EventConnection {
  readonly listeners = new Map<string, (event: { data: string }) => void>();
  isClosed = false;

  addEventListener(type: string, listener: (event: { data: string }) => void): void {
    this.listeners.set(type, listener);
  }

  close(): void {
    this.isClosed = true;
  }

  emit(type: string, data = ''): void {
    this.listeners.get(type)?.({ data });
  }
}

function start(): {
  feed: Feed;
  connections: FakeConnection[];
  states: FeedState[];
  changes: SwarmChange[];
  due: () => { ms: number; run: () => void }[];
} {
  const connections: FakeConnection[] = [];
  const states: FeedState[] = [];
  const changes: SwarmChange[] = [];
  const timers = new Set<{ ms: number; run: () => void }>();
  const feed = new Feed({
    connect: () => {
      connections.push(new FakeConnection());
      return connections.at(-1)!;
    },
    onChange: (change) => {
      changes.push(change);
    },
    onState: (state) => {
      states.push(state);
    },
    later: (ms, run) => {
      const timer = { ms, run };
      timers.add(timer);
      return () => {
        timers.delete(timer);
      };
    },
  });
  feed.start();
  return { feed, connections, states, changes, due: () => [...timers] };
}

test('a feed is live once it hears something, and says when it is cut off', (t) => {
  const { connections, states, changes, due } = start();
  connections[0]!.emit('swarm', JSON.stringify(CHANGE));
  t.deepEqual(changes, [CHANGE]);
  connections[0]!.emit('error');
  t.true(connections[0]!.isClosed);
  t.deepEqual(states, ['connecting', 'live', 'lost']);
  const [retry, ...others] = due();
  t.is(others.length, 0);
  retry!.run();
  t.is(connections.length, 2);
  connections[0]!.emit('swarm', JSON.stringify(CHANGE));
  t.is(changes.length, 1, 'a connection that was given up is not listened to');
  connections[1]!.emit('beat');
  t.deepEqual(states, ['connecting', 'live', 'lost', 'live']);
});

test('silence is the same as an end, whatever the browser thinks of the connection', (t) => {
  const { connections, states, due } = start();
  connections[0]!.emit('beat');
  connections[0]!.emit('beat');
  t.is(due().length, 1, 'one watch at a time');
  t.is(due()[0]!.ms, 15_000);
  due()[0]!.run();
  t.deepEqual(states, ['connecting', 'live', 'lost']);
  t.true(connections[0]!.isClosed);
});

test('a page that nobody sees is connected to nothing, and goes on when it is seen', (t) => {
  const { feed, connections, states, due } = start();
  feed.start();
  t.is(connections.length, 1);
  feed.pause();
  t.true(connections[0]!.isClosed);
  t.is(due().length, 0);
  feed.start();
  t.is(connections.length, 2);
  t.deepEqual(states, ['connecting', 'paused', 'connecting']);
});
