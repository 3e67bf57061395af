import type { MessageStream, StreamMuxerFactory } from '@libp2p/interface';
import { yamux } from '@libp2p/yamux';

/** A megabyte a stream keeps small messages quick beside bulk. */
const STREAM_WINDOW_BYTES = 1 << 20;
/** Must hold two windows, or a stream that is paused is reset. */
const READ_BUFFER_BYTES = 4 << 20;
const MAX_INBOUND_STREAMS = 128;

/**
 * yamux that outlives its connection. It opens a stream from a microtask of its own; when the connection closed just before, the
 * connection's `send` throws there, where nobody can catch it, and any peer could end this process by hanging up.
 */
export function muxer(): StreamMuxerFactory {
  const factory = yamux({
    maxInboundStreams: MAX_INBOUND_STREAMS,
    streamOptions: { maxStreamWindowSize: STREAM_WINDOW_BYTES, maxReadBufferLength: READ_BUFFER_BYTES },
  })();
  const create = factory.createStreamMuxer.bind(factory);
  factory.createStreamMuxer = (connection) => create(sendsUntilClosed(connection));
  return factory;
}

/** What is sent after the end is lost, as it would be on the wire; the streams learn of the end by the `close` event. */
export function sendsUntilClosed(connection: MessageStream): MessageStream {
  const send = connection.send.bind(connection);
  connection.send = (data) => {
    try {
      return send(data);
    } catch (error) {
      if (error instanceof Error && error.name === 'StreamStateError') return false;
      throw error;
    }
  };
  return connection;
}
