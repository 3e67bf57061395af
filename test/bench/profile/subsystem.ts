import type { CallFrame } from './cpu-profile.ts';

/** Time in which the thread waited for something to do. */
export const IDLE = '(idle)';

/** What V8 says in place of a function. */
const MARKS: ReadonlyMap<string, string> = new Map([
  ['(idle)', IDLE],
  ['(garbage collector)', 'garbage collection on this thread'],
  ['(program)', 'native code that no JavaScript called: epoll, reads, TLS of what arrives, parsing'],
]);

/** Functions in C++ that say by themselves what they do; any other belongs to who called it. */
const NATIVE: readonly (readonly [RegExp, string])[] = [
  [/^(postMessage|receiveMessageOnPort|drain|structuredClone)$/, 'messages between threads'],
  [/^runMicrotasks$/, 'promises, timers, abort signals'],
  [/^(sign|verify|signOneShot|verifyOneShot)$/, 'signatures'],
];

/** Files of Node by what they are for; the first that fits counts. */
const OF_NODE: readonly (readonly [RegExp, string])[] = [
  [/^node:(internal\/)?(_?tls|_tls)/, 'TLS'],
  [/^node:internal\/crypto\/hash/, 'hash'],
  [/^node:internal\/crypto\/(sig|keys)/, 'signatures'],
  [/^node:(internal\/crypto|crypto)/, 'ciphers and other cryptography'],
  [/^node:(internal\/)?fs/, 'files'],
  [/^node:internal\/(worker|per_context\/messageport|structured_clone)|^node:worker_threads/, 'messages between threads'],
  [
    /^node:(internal\/)?(timers|promises|abort_controller|event_target|async_hooks|async_local_storage|async_context_frame)|^node:internal\/process\/(task_queues|promises)/,
    'promises, timers, abort signals',
  ],
  [/^node:(internal\/)?(_?http|undici)|^node:internal\/deps\/undici/, 'HTTP'],
  [/^node:(internal\/)?(net|_?stream|dgram|dns|events|js_stream_socket|webstreams)/, 'sockets and streams of Node'],
  [/^node:(internal\/)?buffer/, 'buffers'],
  [/^node:internal\/(modules|deps\/amaro|bootstrap|deps\/cjs-module-lexer|vm)|^wasm:/, 'loading of modules'],
];

const PACKAGES: readonly (readonly [RegExp, string])[] = [
  [
    /^(@chainsafe\/|@noble\/|@libp2p\/|@multiformats\/|libp2p$|it-|uint8|protons|protobufjs|multiformats|interface-|datastore|p-|abort-error|race-|any-|delay|weald|progress-events|main-event|mortice|eventemitter3)/,
    'libp2p: Noise, yamux, DHT',
  ],
  [/^(cborg|zod)$/, 'CBOR, zod'],
  [/^undici$/, 'HTTP'],
];

/**
 * Names what a stack, innermost frame first, was doing: by the innermost function that tells. Folders of ours are named as below `src`. Where
 * Node's JavaScript had called C++, the kernel's work is in it, and for sockets of lanes that of TLS.
 */
export function subsystemOf(stack: readonly CallFrame[]): string {
  const mark = MARKS.get(stack[0]?.functionName ?? '');
  if (mark !== undefined) return mark;
  const inCpp = stack[0]?.url === '' ? ', in C++' : '';
  for (const { functionName, url } of stack) {
    const name = url === '' ? find(NATIVE, functionName) : subsystemOfFile(url);
    if (name !== undefined) return url.startsWith('node:') ? `${name}${inCpp}` : name;
  }
  return 'other';
}

/** The innermost function, with its file and, for C++, who called it. */
export function functionOf(stack: readonly CallFrame[]): string {
  const [top, caller] = stack;
  if (top === undefined) return 'other';
  const mark = MARKS.get(top.functionName);
  if (mark !== undefined) return mark;
  const named = ({ functionName, url }: CallFrame): string => `${functionName || 'anonymous'} ${shortened(url)}`.trim();
  return top.url === '' && caller !== undefined ? `${named(top)} from ${named(caller)}` : named(top);
}

/** Below the packages, or below our sources. */
function shortened(url: string): string {
  return url.split(url.includes('/node_modules/') ? '/node_modules/' : '/src/').at(-1)!;
}

function subsystemOfFile(url: string): string | undefined {
  if (!url.startsWith('file:')) return find(OF_NODE, url);
  const installed = url.split('/node_modules/').at(-1)!;
  if (installed !== url) return find(PACKAGES, /^(@[^/]+\/)?[^/]+/.exec(installed)![0]) ?? 'other packages';
  const own = url.split('/src/').at(-1)!.split('/').slice(0, -1);
  // The swarm's rooms have folders of their own.
  return `src/${own.slice(0, own[0] === 'swarm' ? 3 : 1).join('/')}`;
}

function find(table: readonly (readonly [RegExp, string])[], text: string): string | undefined {
  return table.find(([pattern]) => pattern.test(text))?.[1];
}
