// Why there was no answer: codes of the system, of TLS and of the parser, sorted into findings.
import { finding, type Finding, type FindingCode } from './findings.ts';
import { DEADLINE_MS } from './stranger.ts';

const CODES: readonly (readonly [RegExp, FindingCode])[] = [
  [/^(ENOTFOUND|EAI_\w+|ENODATA|ESERVFAIL)$/, 'dns_failed'],
  [/^ECONNREFUSED$/, 'connection_refused'],
  [/^(EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EADDRNOTAVAIL|EACCES|EPERM)$/, 'host_unreachable'],
  [/^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN)$/, 'tls_self_signed'],
  [/^ERR_TLS_CERT_ALTNAME_/, 'tls_wrong_host'],
  [/^CERT_HAS_EXPIRED$/, 'tls_expired'],
  [/^CERT_NOT_YET_VALID$/, 'tls_not_yet_valid'],
  [/^(UNABLE_TO_|CERT_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED)/, 'tls_untrusted'],
  [/^(EPROTO|ERR_SSL_|ERR_TLS_)/, 'tls_failed'],
  [/^HPE_/, 'not_http'],
  [/^ABORT_ERR$/, 'too_slow'],
];

/** @param error as an `Ask` throws it */
export function nameFailure(url: URL, error: unknown): Finding {
  const { code = 'unknown', message = '' } = error as { code?: string; message?: string };
  const name = CODES.find(([pattern]) => pattern.test(code))?.[1] ?? 'connection_reset';
  const { host } = url;
  const seen: Partial<Record<FindingCode, string>> = {
    dns_failed: `The name ${url.hostname} does not resolve.`,
    connection_refused: `${host} refuses connections.`,
    host_unreachable: `${host} cannot be reached.`,
    connection_reset: `The connection to ${host} was cut.`,
    tls_self_signed: `The certificate of ${host}, or one of its chain, is self-signed.`,
    tls_wrong_host: `The certificate that ${host} shows is for another host.`,
    tls_expired: `The certificate of ${host} has expired.`,
    tls_not_yet_valid: `The certificate of ${host} is not valid yet.`,
    tls_untrusted: `The certificate of ${host} does not lead to a public authority.`,
    tls_failed: `${host} does not complete the TLS handshake.`,
    not_http: `What ${host} answers is not HTTP.`,
    too_slow: `There was no whole answer within ${DEADLINE_MS / 1000} s.`,
  };
  // OpenSSL's own sentences carry addresses of its source: the code says as much.
  const raw = code === 'unknown' ? message : code;
  return finding(name, url.href, `${seen[name] ?? ''} (${raw})`.trim());
}
