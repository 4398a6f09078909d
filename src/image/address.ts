// Which network addresses a URL may lead to: public unicast and nothing else.
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Instance metadata at an address that is public by its range (Azure). */
const METADATA = ['168.63.129.16'];

/** IPv6 prefixes that carry an IPv4 address or are private, and count as unicast elsewhere. */
const EMBEDDING = ['::/96', '64:ff9b:1::/48', 'fec0::/10', '2002::/16', '2001::/32'].map((range) =>
  ipaddr.parseCIDR(range),
);

/** False for private, loopback, link-local, shared, multicast, reserved, mapped and metadata addresses. */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 0 || address.includes('%')) return false;
  const parsed = ipaddr.process(address);
  if (parsed.range() !== 'unicast' || METADATA.includes(parsed.toString())) return false;
  return parsed.kind() === 'ipv4' || !EMBEDDING.some((range) => parsed.match(range));
}
