import type { EmbeddedOrigin } from '../../origin/embedded.ts';
import type { Namespaces } from '../namespace.ts';
import type { UploadSessions } from './upload-sessions.ts';

/** What the handlers that write into the embedded origin work with. */
export interface EmbeddedPushContext {
  readonly origin: EmbeddedOrigin;
  readonly uploads: UploadSessions;
  readonly namespaces: Namespaces;
}
