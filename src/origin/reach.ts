import { BlockList, isIP } from 'node:net';

/** How far an address leads: to this host, to those on the same wire (and to what clouds answer there with: their hosts' secrets), or anywhere. */
export type Reach = 'loopback' | 'link-local' | 'network';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
// "this host on this network": Linux connects to itself
loopback.addSubnet('0.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');
loopback.addAddress('::', 'ipv6');

const linkLocal = new BlockList();
linkLocal.addSubnet('169.254.0.0', 16, 'ipv4');
linkLocal.addSubnet('fe80::', 10, 'ipv6');
// where one cloud has by IPv6 what all have at 169.254.169.254
linkLocal.addAddress('fd00:ec2::254', 'ipv6');

/** Of an IP address, with or without the brackets of a URL. Of a name only its resolution can tell: it counts as `network`, but for `localhost`. */
export function reachOf(host: string): Reach {
  const bare = host.startsWith('[') ? host.slice(1, -1) : host;
  if (/^(.+\.)?localhost\.?$/i.test(bare)) return 'loopback';
  const version = isIP(bare);
  if (version === 0) return 'network';
  const family = version === 4 ? 'ipv4' : 'ipv6';
  if (loopback.check(bare, family)) return 'loopback';
  return linkLocal.check(bare, family) ? 'link-local' : 'network';
}
