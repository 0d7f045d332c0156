// What a stranger may find wrong with an issuer's documents: stable codes, each with a sentence and what to do.

export const ADVICE = {
  url_not_https:
    'Give the issuer an https URL without query and port: clouds fetch no other. Only loopback may be http.',
  dns_failed: 'Publish an A or AAAA record for this host in public DNS, and look whether this host resolves it.',
  connection_refused: 'Let something listen at that address: the load balancer, its listener, its health checks.',
  connection_reset: 'Look at what stands in front of the service: a firewall, or a proxy that lost its backend.',
  host_unreachable:
    'Open the way to that address, from the internet and from this host: routes, firewall, egress rules.',
  tls_untrusted:
    'Serve a certificate of a public authority together with its intermediate certificates: clouds have the public roots and nothing else.',
  tls_self_signed: 'Serve a certificate of a public authority: clouds trust no self-signed one.',
  tls_wrong_host: 'Serve a certificate that names this host in its subject alternative names.',
  tls_expired: 'Renew the certificate, and look why its renewal did not run.',
  tls_not_yet_valid: 'Serve a certificate that is valid now, and look at the clock of this host.',
  tls_expires_soon: 'Renew the certificate, and look why its renewal did not run.',
  tls_failed: 'Let what stands in front speak TLS 1.2 or 1.3 at that address.',
  not_http: 'Let what stands in front speak HTTP/1.1 at that address.',
  redirected: 'Answer at this very URL: clouds do not follow redirects.',
  status_unexpected: 'Let this path through to the service, unchanged and without limits.',
  content_type_wrong: 'Let the content type through as the service sets it: application/json.',
  too_large: 'Let the body through as the service writes it: it is far smaller than this.',
  not_json: 'Let the body through as the service writes it: no page of a proxy, no compression that nobody asked for.',
  issuer_mismatch: 'Route this URL to the service whose ISSUER_URL it is: the value is compared to the letter.',
  jwks_uri_wrong:
    'Route this URL to the service whose ISSUER_URL it is, and let nothing on the way rewrite the document.',
  metadata_missing: 'Let the document through as the service writes it: clouds need this member.',
  altered: 'Find what rewrites, mixes up or holds back these documents on the way: a cache, a proxy, another service.',
  no_keys: 'Route this URL to the service whose ISSUER_URL it is: without a key nobody can verify a token.',
  key_unusable: 'Let the keys through as the service writes them: one such member makes AWS refuse the key.',
  signing_key_missing:
    'Look whether a cache or a cut-off replica answers with an old set: tokens signed by this key are refused.',
  slow: 'Look at the way from there to the service: AWS gives up at 5 s.',
  too_slow: 'Look at the way from there to the service: AWS gives up at 5 s, and says only InvalidIdentityToken.',
} as const satisfies Record<string, string>;

export type FindingCode = keyof typeof ADVICE;

/** What does no harm yet; everything else makes a cloud refuse tokens. */
const WARNINGS: ReadonlySet<FindingCode> = new Set(['tls_expires_soon', 'slow']);

export interface Finding {
  code: FindingCode;
  severity: 'error' | 'warning';
  url: string;
  /** What was seen. */
  detail: string;
  /** What to do about it. */
  hint: string;
}

export function finding(code: FindingCode, url: string, detail: string): Finding {
  return { code, severity: WARNINGS.has(code) ? 'warning' : 'error', url, detail, hint: ADVICE[code] };
}

/** The first that makes a cloud refuse tokens. */
export function worstOf(findings: readonly Finding[]): Finding | undefined {
  return findings.find(({ severity }) => severity === 'error');
}
