// Which network addresses a URL may lead to: public unicast and nothing else.
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Instance metadata at an address that is public by its range (Azure). */
const METADATA = ['168.63.129.16'];

/** All that has been assigned as global unicast (RFC 4291, IANA). */
const GLOBAL = ipaddr.parseCIDR('2000::/3');

/** IPv6 prefixes in it that carry an IPv4 address or are for documents. */
const EMBEDDING = ['2002::/16', '2001::/32', '3fff::/20'].map((range) => ipaddr.parseCIDR(range));

/** False for private, loopback, link-local, shared, multicast, reserved, mapped and metadata addresses. */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 0 || address.includes('%')) return false;
  const parsed = ipaddr.process(address);
  if (parsed.range() !== 'unicast' || METADATA.includes(parsed.toString())) return false;
  return (
    parsed.kind() === 'ipv4' || (parsed.match(GLOBAL) && !EMBEDDING.some((range) => parsed.match(range)))
  );
}
