import { Handshakes } from '../../src/swarm/network/handshakes.ts';
import type { Connection, Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { encodeFrame, type Frame } from '../../src/swarm/protocol/frame.ts';
import type { MessageOf } from '../../src/swarm/protocol/message.ts';
import type { Libp2pNetwork } from '../../src/swarm/network/libp2p-network.ts';
import { createNode, type Node } from '../../src/swarm/network/libp2p-node.ts';
import { CONTROL_PROTOCOL } from '../../src/swarm/network/members.ts';
import { PeerKey } from '../../src/swarm/network/peer-key.ts';
import { PROTOCOL_VERSION } from '../../src/swarm/network/control-stream.ts';
import type { SwarmKey } from '../../src/swarm/network/swarm-key.ts';

export const HELLO: MessageOf<'hello'> = { type: 'hello', version: PROTOCOL_VERSION, agent: 'raw', zone: '' };

/** A node that holds the swarm key and says whatever the test wants. Its id is below the target's, so that it opens the control stream. */
export class RawPeer {
  readonly peerId: string;
  readonly node: Node;
  readonly connection: Connection;
  /** Resolves when the target has hung up. */
  readonly cut: Promise<void>;

  private constructor(peerId: string, node: Node, connection: Connection) {
    this.peerId = peerId;
    this.node = node;
    this.connection = connection;
    this.cut = new Promise((resolve) => {
      connection.addEventListener('close', () => {
        resolve();
      });
    });
  }

  static async connect(target: Libp2pNetwork, swarmKeys: readonly SwarmKey[]): Promise<RawPeer> {
    const peerKey = await keyBelow(target.self);
    const node = await createNode({
      peerKey,
      swarmKeys,
      listen: [],
      announce: [],
      maxConnections: 10,
      gater: {},
      agent: 'raw',
      handshakes: new Handshakes(() => undefined),
    });
    await node.start();
    try {
      return new RawPeer(peerKey.peerId, node, await node.dial(multiaddr(target.multiaddrs()[0])));
    } catch (error) {
      await node.stop();
      throw error;
    }
  }

  async open(): Promise<Stream> {
    return await this.connection.newStream(CONTROL_PROTOCOL);
  }

  async stop(): Promise<void> {
    await this.node.stop();
  }
}

async function keyBelow(peerId: string): Promise<PeerKey> {
  for (;;) {
    const key = await PeerKey.generate();
    if (key.peerId < peerId) return key;
  }
}

/** A frame as it travels: its length, and the bytes. */
export function framed(frame: Frame | Uint8Array): Buffer {
  const bytes = frame instanceof Uint8Array ? frame : encodeFrame(frame);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
