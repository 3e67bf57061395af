/**
 * Whether a request's Host header may be answered. A page from elsewhere can make its own name resolve to 127.0.0.1 and read what
 * a loopback listener says ("DNS rebinding"); so there only loopback names are taken. A listener on the network has whatever
 * names its network gives it.
 * @param names others that are taken, lower case
 */
export function isHostAllowed(header: string | undefined, listenHost: string, names: readonly string[] = []): boolean {
  if (!isLoopback(listenHost)) return true;
  const host = /^(\[[0-9a-fA-F:.]+\]|[^:]+)(?::\d{1,5})?$/.exec(header ?? '')?.[1]?.toLowerCase();
  return host !== undefined && (isLoopback(host.replace(/^\[(.*)\]$/, '$1')) || host === listenHost.toLowerCase() || names.includes(host));
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
