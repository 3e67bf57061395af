// Loaded before the program (--import): a program that then loads libp2p dies of it.
import { registerHooks } from 'node:module';

registerHooks({
  resolve(specifier, context, next) {
    if (/(^|\/)(@libp2p|libp2p|@chainsafe)(\/|$)/.test(specifier)) throw new Error(`loads ${specifier}`);
    return next(specifier, context);
  },
});
