import { LayerswarmError } from '../../errors.ts';
import type { Message, MessageOf, MessageType } from '../protocol/message.ts';
import type { Peer } from './network.ts';

export type MessageHandler<T extends MessageType> = (
  message: MessageOf<T>,
  from: Peer,
) => Promise<Message | undefined> | Message | undefined;

/** One handler a message type, for all peers of a network. */
export class MessageHandlers {
  readonly #handlers = new Map<MessageType, MessageHandler<MessageType>>();

  /** @throws `internal` when the type has a handler already */
  set<T extends MessageType>(type: T, handler: MessageHandler<T>): void {
    if (this.#handlers.has(type)) throw new LayerswarmError('internal', `"${type}" messages have a handler already`);
    // Sound because `handle` looks a handler up by the type of the message that it passes.
    this.#handlers.set(type, handler as unknown as MessageHandler<MessageType>);
  }

  /** Runs the handler up to its first wait before it returns, so that messages of one peer are taken in their order. */
  handle(message: Message, from: Peer): Promise<Message | undefined> | Message | undefined {
    const handler = this.#handlers.get(message.type);
    if (handler === undefined) throw new LayerswarmError('unsupported', `this node does not answer "${message.type}"`);
    return handler(message, from);
  }
}
