/** A registry whose images a runtime is to pull through the agent. */
export interface RegistryTarget {
  /** As in references: `docker.io`, `registry.example:5000`. */
  readonly name: string;
  /** `http(s)://host:port` of the registry itself, which stays the runtime's next choice. */
  readonly server: string;
  /** The agent knows it by this first part of a path where the client cannot name the registry otherwise; undefined for its origin. */
  readonly path?: string;
}

export interface SetupTarget {
  /** `http://127.0.0.1:5050`: the agent's registry endpoint. */
  readonly endpoint: URL;
  readonly registries: readonly RegistryTarget[];
  /** containerd only: ask the agent about every registry. */
  readonly everyRegistry: boolean;
}

/** The host's files as they were before any setup. Paths are the host's own, without the prefix of `--root`. */
export interface HostFiles {
  /** UTF-8 text; undefined where there is none. @throws `config-invalid` for what is no text */
  read(path: string): Promise<string | undefined>;
  /** Names in a folder, sorted; none where there is no such folder. */
  list(path: string): Promise<string[]>;
}

export interface RuntimePlan {
  /** The whole content that each file is to have. */
  readonly files: readonly { readonly path: string; readonly content: string }[];
  /** Names of the registries that the runtime then pulls through the agent. */
  readonly registries: readonly string[];
  /** What a person should know, one line each. */
  readonly notes: readonly string[];
}

/** What setup knows about one container runtime. */
export interface Runtime {
  readonly name: string;
  /** Pure, beside reading: what has to be written so that the runtime pulls through the agent. @throws `config-invalid`, `unsupported` */
  plan(files: HostFiles, target: SetupTarget, configFolder: string): Promise<RuntimePlan>;
  /** How a running one takes up changed files. */
  readonly reload: ReloadRule;
}

export type ReloadRule =
  /** It reads its files at each pull. */
  | { readonly kind: 'none' }
  /** SIGHUP to the process of this name, whose pid file is here. */
  | { readonly kind: 'signal'; readonly process: string; readonly pidFile: string; readonly command: string }
  /** A person has to, with this command, when files changed for which `when` says so: some are read at start only. */
  | { readonly kind: 'restart'; readonly when: (path: string) => boolean; readonly command: string; readonly reason: string };

export function isLoopback(endpoint: URL): boolean {
  const host = endpoint.hostname;
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Ends of lines as the rest of the file has them. */
export function endOfLine(text: string): string {
  return text.includes('\r\n') ? '\r\n' : '\n';
}
