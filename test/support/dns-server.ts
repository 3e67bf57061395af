import { createSocket } from 'node:dgram';

// A name server that knows one name. Arguments: the address to listen at, the name, its IPv4 address.
const [listen, name, address] = process.argv.slice(2) as [string, string, string];
const TYPE_A = 1;
const NO_SUCH_NAME = 3;
const POINTER_TO_QUESTION = 0xc00c;

const socket = createSocket('udp4');
socket.on('message', (query, from) => {
  // RFC 1035 §4.1: after the header of 12 bytes the name, label by label, then type and class
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at]!; length > 0; length = query[at]!) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const question = query.subarray(12, at + 5);
  const isKnown = labels.join('.').toLowerCase() === name;
  const answers = isKnown && query.readUInt16BE(at + 1) === TYPE_A ? 1 : 0;
  const header = Buffer.alloc(12);
  header.writeUInt16BE(query.readUInt16BE(0), 0);
  header.writeUInt16BE(0x8180 | (isKnown ? 0 : NO_SUCH_NAME), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(answers, 6);
  const record = Buffer.alloc(16 * answers);
  if (answers > 0) {
    record.writeUInt16BE(POINTER_TO_QUESTION, 0);
    record.writeUInt16BE(TYPE_A, 2);
    record.writeUInt16BE(1, 4);
    // good for no second: each connection asks anew
    record.writeUInt32BE(0, 6);
    record.writeUInt16BE(4, 10);
    record.set(address.split('.').map(Number), 12);
  }
  socket.send(Buffer.concat([header, question, record]), from.port, from.address);
});
socket.bind(53, listen, () => {
  console.log('ready');
});
