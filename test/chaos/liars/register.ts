import { registerHooks } from 'node:module';
import type { Lie } from '../plan.ts';

/** Modules of the program that a lie stands in for: the liar's own imports the true one. */
const STAND_INS: readonly { readonly module: string; readonly liar: string; readonly lies: readonly Lie[] }[] = [
  { module: '/src/swarm/exchange/blob-server.ts', liar: './blob-server.ts', lies: ['bytes', 'forgetful'] },
  { module: '/src/swarm/tag-memory.ts', liar: './tag-memory.ts', lies: ['tags'] },
  { module: '/src/swarm/network/libp2p-network.ts', liar: './libp2p-network.ts', lies: ['dial'] },
  { module: '/src/swarm/thread/worker-network.ts', liar: './worker-network.ts', lies: ['flood'] },
];

// `--import register.ts?lies=A,B&…`: makes of the program a member that lies, in its main thread and in those that it starts.
const { search, searchParams } = new URL(import.meta.url);
const lies = (searchParams.get('lies') ?? '').split(',');
registerHooks({
  resolve(specifier, context, nextResolve) {
    const resolved = nextResolve(specifier, context);
    const standIn = STAND_INS.find(({ module, lies: needed }) => resolved.url.endsWith(module) && needed.some((lie) => lies.includes(lie)));
    if (standIn === undefined || context.parentURL?.includes('/test/chaos/') === true) return resolved;
    return { ...resolved, url: new URL(standIn.liar, import.meta.url).href + search };
  },
});
