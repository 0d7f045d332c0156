// Which audiences may be registered for a workload: https URLs in canonical form and URNs, nobody's own.
import { Problem } from '../errors.ts';
import { isReservedAudience } from '../tokens/audiences.ts';

// RFC 8141, lower case: a verifier compares audiences as strings.
const URN = /^urn:[a-z0-9][a-z0-9-]{0,30}[a-z0-9]:[A-Za-z0-9()+,\-.:=@;$_!*'%/~&]+$/;

/** One spelling for one audience, so that none stands for a reserved one in disguise (case, port, dots, credentials). */
function isCanonicalUrl(audience: string): boolean {
  if (!audience.startsWith('https://') || !URL.canParse(audience)) return false;
  const url = new URL(audience);
  const canonical = url.href === audience || url.href === `${audience}/`;
  return (
    canonical &&
    url.username === '' &&
    url.password === '' &&
    url.hash === '' &&
    !audience.endsWith('#') &&
    !url.hostname.endsWith('.')
  );
}

/** @throws Problem `audience_refused` */
export function requireRegistrable(audiences: readonly string[], issuerUrl: string): void {
  for (const audience of audiences) {
    if (!URN.test(audience) && !isCanonicalUrl(audience)) {
      throw new Problem(
        'audience_refused',
        `The audience "${audience}" is neither an https URL in canonical form nor a URN.`,
        {
          hint: 'Name the service that verifies the token, e.g. https://billing.example.com or urn:example:billing.',
        },
      );
    }
    if (isReservedAudience(audience, issuerUrl)) {
      throw new Problem('audience_refused', `The audience "${audience}" is not one that a workload may have.`, {
        hint: 'Audiences under ISSUER_URL come with grants and scopes, and those of a cloud are never minted.',
      });
    }
  }
}
