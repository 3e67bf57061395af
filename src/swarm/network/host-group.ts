import { isIP } from 'node:net';

const MAPPED = '::ffff:';

/** What limits and bans by address count as one: an IPv4 address, the /64 of an IPv6 address; a name stands for itself. */
export function hostGroup(host: string): string {
  const v4 = host.startsWith(MAPPED) ? host.slice(MAPPED.length) : host;
  return isIP(v4) === 6 ? expand(v4).slice(0, 4).join(':') : v4;
}

function expand(ipv6: string): string[] {
  const [head = '', tail = ''] = ipv6.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === '' ? [] : tail.split(':');
  return [...left, ...Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0'), ...right];
}
