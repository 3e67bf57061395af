import type { Connection, Stream } from '@libp2p/interface';
import { LayerswarmError } from '../../errors.ts';
import type { Frame, UnknownFrame } from '../protocol/frame.ts';
import type { Message, MessageOf, MessageType } from '../protocol/message.ts';
import { ControlChannel, type ChannelLimits, type ChannelOwner } from './control-channel.ts';
import { PeerRpc } from './peer-rpc.ts';
import type { MessageHandlers } from './handlers.ts';
import { MemberPeer } from './member-peer.ts';
import type { TokenBucket } from './rate-limit.ts';

/** Versions of the messages that this node speaks. Keys that a version adds are ignored by older ones. 0.1 spoke 1, without the lanes of today. */
export const PROTOCOL_VERSION = 2;
const OLDEST_VERSION = 2;

type State =
  | { readonly kind: 'greeting' }
  | { readonly kind: 'joined'; readonly hello: MessageOf<'hello'> }
  | { readonly kind: 'closed'; readonly reason: LayerswarmError };

export interface ControlStreamEvents {
  onJoined(control: ControlStream): void;
  /** It sent a message of a type that this version does not know. */
  onUnknown(): void;
  /** Once, whether it had joined or not. */
  onClosed(control: ControlStream, reason: LayerswarmError): void;
}

export interface ControlStreamLimits extends ChannelLimits {
  /** From the opening of the stream until the peer has said hello. */
  helloTimeoutMs: number;
}

/** One control stream's life: hello from both sides, then messages, until either side goes. */
export class ControlStream implements ChannelOwner {
  readonly peer: MemberPeer;
  readonly connection: Connection;
  readonly #channel: ControlChannel;
  readonly #rpc: PeerRpc;
  readonly #events: ControlStreamEvents;
  readonly #helloTimer: NodeJS.Timeout;
  #state: State = { kind: 'greeting' };

  constructor(
    stream: Stream,
    connection: Connection,
    hello: MessageOf<'hello'>,
    handlers: MessageHandlers,
    events: ControlStreamEvents,
    limits: ControlStreamLimits,
    buckets: readonly TokenBucket[],
  ) {
    this.connection = connection;
    this.#events = events;
    this.peer = new MemberPeer(connection);
    this.#helloTimer = setTimeout(() => {
      this.close(new LayerswarmError('timeout', `peer ${this.peer.peerId} did not say hello within ${limits.helloTimeoutMs} ms`));
    }, limits.helloTimeoutMs);
    this.#channel = new ControlChannel(stream, this, { limits, buckets });
    this.#rpc = new PeerRpc(this.peer, handlers, (frame) => {
      this.peer.control.sent += this.#channel.write(frame);
    });
    this.#rpc.send(hello);
  }

  get joined(): boolean {
    return this.#state.kind === 'joined';
  }

  /** What the peer said of itself. */
  get hello(): MessageOf<'hello'> | undefined {
    return this.#state.kind === 'joined' ? this.#state.hello : undefined;
  }

  /** Milliseconds since the epoch: when the peer was last heard. */
  get heardAt(): number {
    return this.#channel.heardAt;
  }

  send(message: Message): void {
    try {
      this.#rpc.send(message);
    } catch (error) {
      // Too large to be sent: the sender's own fault, and nothing that the peer can be told.
      this.close(
        error instanceof LayerswarmError ? error : new LayerswarmError('internal', `cannot send "${message.type}"`, { cause: error }),
      );
    }
  }

  async request<T extends MessageType>(
    message: Message,
    answer: T,
    options: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): Promise<MessageOf<T>> {
    return await this.#rpc.request(message, answer, options);
  }

  /** Measures the round trip. Never throws: a peer that does not answer has a `heardAt` that grows old. */
  async ping(timeoutMs: number): Promise<void> {
    const startedAt = performance.now();
    try {
      await this.#rpc.request({ type: 'ping' }, 'ok', { timeoutMs });
      this.peer.latencyMs = performance.now() - startedAt;
    } catch (error) {
      if (error instanceof LayerswarmError && error.code === 'peer-misbehaved') this.close(error);
    }
  }

  close(reason: LayerswarmError): void {
    this.#channel.close(reason);
  }

  async onFrame(frame: Frame | UnknownFrame, bytes: number): Promise<void> {
    this.peer.control.received += bytes;
    if (this.#state.kind === 'closed') return;
    if (frame.message === undefined) this.#passOver(frame);
    else if (this.#state.kind === 'greeting') this.#greet(frame);
    else if (frame.message.type === 'hello')
      this.close(new LayerswarmError('peer-misbehaved', `peer ${this.peer.peerId} said hello twice`));
    else await this.#take(frame);
  }

  onClose(reason: LayerswarmError): void {
    clearTimeout(this.#helloTimer);
    this.#state = { kind: 'closed', reason };
    this.#rpc.close(new LayerswarmError('peer-gone', `peer ${this.peer.peerId} is gone`, { cause: reason }));
    this.#events.onClosed(this, reason);
  }

  /** A later version says more than this one understands: that is no fault. Before hello it is. */
  #passOver({ kind, id }: UnknownFrame): void {
    if (this.#state.kind === 'greeting') {
      this.close(new LayerswarmError('peer-misbehaved', `peer ${this.peer.peerId} sent an unknown message before hello`));
      return;
    }
    this.#events.onUnknown();
    if (kind === 'answer') this.#rpc.fail(id);
    else if (kind === 'request') this.#rpc.refuse(id);
  }

  #greet(frame: Frame): void {
    const hello = frame.message;
    if (hello.type !== 'hello' || frame.kind !== 'note') {
      this.close(new LayerswarmError('peer-misbehaved', `peer ${this.peer.peerId} sent "${hello.type}" before hello`));
      return;
    }
    if (hello.version < OLDEST_VERSION) {
      this.close(
        new LayerswarmError(
          'unsupported',
          `it speaks version ${hello.version} of the protocol, this node ${OLDEST_VERSION} and later; update layerswarm there`,
        ),
      );
      return;
    }
    clearTimeout(this.#helloTimer);
    this.peer.greeted(hello);
    this.#state = { kind: 'joined', hello };
    this.#events.onJoined(this);
  }

  async #take(frame: Frame): Promise<void> {
    if (frame.message.type === 'origin-changed' && frame.kind !== 'answer') this.peer.origin = frame.message.origin;
    if (frame.message.type === 'charter-changed' && frame.kind !== 'answer') this.peer.charter = frame.message.charter;
    await this.#rpc.receive(frame);
  }
}
