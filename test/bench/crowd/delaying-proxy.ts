import { CleanupStack } from '../../support/cleanup.ts';
import { startFaultProxy } from '../../support/fault-proxy.ts';

// A far origin: passes everything on, each answer after so many ms. Arguments: upstream URL, address, port, ms.
const [upstream, host, port, ms] = process.argv.slice(2) as [string, string, string, string];
const proxy = await startFaultProxy(new CleanupStack(), upstream, { host, port: Number(port) });
proxy.inject({ kind: 'delay', ms: Number(ms) });
process.stdout.write('ready\n');
