// What counts as loopback: the only place where the sandbox speaks http, takes a port, or reads a template from.
import { isIP } from 'node:net';

/** @param hostname as `URL.hostname` gives it, an IPv6 address in brackets */
export function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  if (host === 'localhost' || host.endsWith('.localhost')) return true;
  return isIP(host) === 4 ? host.startsWith('127.') : host === '::1';
}
