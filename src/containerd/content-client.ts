import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import protobuf from 'protobufjs/light.js';
import { onAbort } from '../async/abort.ts';
import { LayerswarmError } from '../errors.ts';
import { Digest } from '../oci/digest.ts';

/** What containerd knows of a blob in one namespace. */
export interface ContentInfo {
  readonly digest: Digest;
  readonly size: number;
  readonly labels: Readonly<Record<string, string>>;
}

/** Where a node looks up who has brought what into containerd's content store. */
export interface ContentList {
  /** @throws `unavailable` when containerd does not answer, `too-large` */
  list(namespace: string, signal: AbortSignal): Promise<ContentInfo[]>;
  close(): void;
}

const { Field, MapField, Type } = protobuf;

/** containerd, api/services/content/v1/content.proto: the one call that is needed. */
const requestType = new Type('ListContentRequest').add(new Field('filters', 1, 'string', 'repeated'));
const infoType = new Type('Info')
  .add(new Field('digest', 1, 'string'))
  .add(new Field('size', 2, 'int64'))
  .add(new MapField('labels', 5, 'string', 'string'));
const responseType = new Type('ListContentResponse').add(infoType).add(new Field('info', 1, 'Info', 'repeated'));
const LIST = '/containerd.services.content.v1.Content/List';
const TIMEOUT_MS = 30_000;
/** A host with more blobs than this has another problem. */
const MAX_BLOBS = 1_000_000;

export interface ListResponse {
  readonly info?: readonly { readonly digest?: string; readonly size?: number; readonly labels?: Record<string, string> }[];
}

/** containerd's content service, over its Unix socket. */
export class ContentClient implements ContentList {
  readonly #socket: string;
  readonly #client: Client;

  constructor(socket: string) {
    this.#socket = socket;
    // The authority would be the socket's path, percent-encoded, which Go's gRPC refuses.
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure(), {
      'grpc.default_authority': 'localhost',
      'grpc.max_reconnect_backoff_ms': 10_000,
    });
  }

  async list(namespace: string, signal: AbortSignal): Promise<ContentInfo[]> {
    const metadata = new Metadata();
    metadata.set('containerd-namespace', namespace);
    const call = this.#client.makeServerStreamRequest(
      LIST,
      (request: object) => Buffer.from(requestType.encode(request).finish()),
      decodeContentList,
      { filters: [] },
      metadata,
      { deadline: Date.now() + TIMEOUT_MS },
    );
    using _ = onAbort(signal, () => {
      call.cancel();
    });
    const found: ContentInfo[] = [];
    try {
      for await (const response of call as AsyncIterable<ListResponse>) {
        for (const { digest: text = '', size = 0, labels = {} } of response.info ?? []) {
          const digest = Digest.tryParse(text);
          if (digest !== undefined && Number.isSafeInteger(size) && size >= 0) found.push({ digest, size, labels });
        }
        if (found.length > MAX_BLOBS)
          throw new LayerswarmError('too-large', `containerd lists more than ${MAX_BLOBS} blobs in the namespace ${namespace}`);
      }
      return found;
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof LayerswarmError) throw error;
      const { code, details } = error as ServiceError;
      throw new LayerswarmError(
        'unavailable',
        `containerd at ${this.#socket} does not list its content: ${status[code] ?? ''} ${details ?? String(error)}`.trim(),
        { cause: error },
      );
    } finally {
      call.cancel();
    }
  }

  close(): void {
    this.#client.close();
  }
}

/** @throws what protobuf throws, which gRPC turns into the end of the call */
export function decodeContentList(bytes: Buffer): ListResponse {
  return responseType.toObject(responseType.decode(bytes), { longs: Number });
}
