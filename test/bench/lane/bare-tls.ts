import { createHash } from 'node:crypto';
import { open, openSync, read, writeSync } from 'node:fs';
import type { OnReadOpts } from 'node:net';
import { promisify } from 'node:util';
import { connect, createServer, type ConnectionOptions } from 'node:tls';
import { makeBulkIdentity } from '../../../src/swarm/lane/bulk/certificate.ts';
import { tlsOptions } from '../../../src/swarm/lane/bulk/tls-settings.ts';
import { startCounting } from './measure.ts';

// TLS, and nothing else: the floor of a transfer. Arguments: `send`, path, size; or `receive`, path, size, port.
const [role, path, size, port] = process.argv.slice(2) as [string, string, string, string];
const total = Number(size);
if (role === 'send') await send();
else receive();

async function send(): Promise<void> {
  const file = await promisify<string, string, number>(open)(path, 'r');
  const server = createServer({ ...tlsOptions(makeBulkIdentity()), noDelay: true }, (socket) => {
    const spent = startCounting();
    socket.on('error', () => undefined);
    socket.on('close', () => {
      process.send!({ sender: spent() });
      server.close();
      process.disconnect();
    });
    let at = 0;
    const fill = (buffer: Buffer): void => {
      if (at >= total) {
        socket.end();
        return;
      }
      read(file, buffer, 0, buffer.length, at, (_error, length) => {
        at += length;
        socket.write(buffer.subarray(0, length), () => {
          fill(buffer);
        });
      });
    };
    fill(Buffer.allocUnsafeSlow(256 * 1024));
  });
  server.listen(0, '127.0.0.1', () => {
    process.send!({ port: (server.address() as { port: number }).port });
  });
}

function receive(): void {
  const file = openSync(path, 'w');
  const hash = createHash('sha256');
  let received = 0;
  const spent = startCounting();
  const options: ConnectionOptions & { onread: OnReadOpts } = {
    ...tlsOptions(makeBulkIdentity()),
    host: '127.0.0.1',
    port: Number(port),
    rejectUnauthorized: false,
    onread: {
      buffer: Buffer.allocUnsafeSlow(256 * 1024),
      callback: (length, buffer) => {
        const bytes = buffer.subarray(0, length);
        writeSync(file, bytes, 0, length, received);
        hash.update(bytes);
        received += length;
        if (received < total) return true;
        process.send!({ digest: hash.digest('hex'), receiver: spent() });
        socket.destroy();
        process.disconnect();
        return true;
      },
    },
  };
  const socket = connect(options);
}
