import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

// Somebody without the key: connections to the ports that the arguments name (HOST:PORT), with rubbish on each, until it is stopped.
const CONNECTIONS = 60;
const EVERY_MS = 50;
const targets = process.argv.slice(2).map((text) => text.split(':'));

setInterval(() => {
  for (const [host, port] of targets) {
    if (open.size >= CONNECTIONS) open.values().next().value?.destroy();
    const socket = connect({ host: host!, port: Number(port) });
    open.add(socket);
    socket
      .on('error', () => undefined)
      .on('close', () => {
        open.delete(socket);
      })
      .on('connect', () => {
        socket.write(randomBytes(Math.floor(Math.random() * 2000)));
      })
      .resume();
  }
}, EVERY_MS);
const open = new Set<ReturnType<typeof connect>>();
