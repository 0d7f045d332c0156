// An issuer as a stranger meets it: discovery and JWKS fetched as AWS IAM does, and every fault by name.
import type { Clock } from '../clock.ts';
import type { Term } from './renewal.ts';
import { judgeAnswer } from './answers.ts';
import { type Expected, judgeDiscovery, judgeKeys } from './documents.ts';
import { nameFailure } from './failures.ts';
import { finding, type Finding } from './findings.ts';
import type { Answer, Ask } from './stranger.ts';

export interface Outside {
  ask: Ask;
  clock: Clock;
}

export interface Reached {
  issuer: string;
  /** None when a cloud would be content. */
  findings: Finding[];
  /** From the first byte sent to the last one read, of the slower document; milliseconds. */
  tookMs: number;
  /** The certificate's term; undefined without TLS, and where nothing was reached. */
  certificate: Term | undefined;
}

const LOOPBACK = /^(localhost|\[::1\]|127\.\d+\.\d+\.\d+)$/;

/** What can be said of the URL alone: AWS takes https without port, query or fragment; tests and demos use loopback. */
function judgeUrl(issuer: string): Finding | undefined {
  const url = URL.parse(issuer);
  if (!url) return finding('url_not_https', issuer, 'The issuer is no URL.');
  if (LOOPBACK.test(url.hostname) && (url.protocol === 'http:' || url.protocol === 'https:')) return undefined;
  if (url.protocol !== 'https:' || url.port !== '' || url.search !== '' || url.hash !== '' || url.username !== '')
    return finding('url_not_https', issuer, 'The issuer is not an https URL without port and query.');
  return undefined;
}

/** One sentence for one cause: a host that refuses both documents is one fault. */
function mergeFindings(findings: readonly Finding[]): Finding[] {
  const seen = new Set<string>();
  return findings.filter(({ code, detail }) => {
    const key = `${code} ${detail}`;
    return seen.has(key) ? false : seen.add(key);
  });
}

/**
 * Throws only what `expected.findKey` throws; bounded by the deadline of one request, as both documents are asked at once.
 * The JWKS is fetched where we serve it: another `jwks_uri` is a finding, never an address to go to.
 * @param issuer to the letter, without a trailing slash
 */
export async function reachIssuer(issuer: string, outside: Outside, expected: Expected = {}): Promise<Reached> {
  const { ask, clock } = outside;
  const wrong = judgeUrl(issuer);
  if (wrong) return { issuer, findings: [wrong], tookMs: 0, certificate: undefined };

  async function look(
    path: string,
    judge: (url: string, document: Record<string, unknown>) => Promise<Finding[]> | Finding[],
  ): Promise<Omit<Reached, 'issuer'>> {
    const url = new URL(`${issuer}${path}`);
    const sent = clock.monotonic();
    let answer: Answer;
    try {
      answer = await ask(url);
    } catch (error) {
      return {
        findings: [nameFailure(url, error)],
        tookMs: clock.monotonic() - sent,
        certificate: undefined,
      };
    }
    const tookMs = clock.monotonic() - sent;
    const { findings, document } = judgeAnswer(url.href, answer, tookMs, clock.wall());
    const { certificate } = answer;
    const judged = document ? await judge(url.href, document) : [];
    return { findings: [...findings, ...judged], tookMs, certificate };
  }

  const [discovery, jwks] = await Promise.all([
    look('/.well-known/openid-configuration', (url, document) =>
      judgeDiscovery(url, document, issuer, expected.discovery),
    ),
    look('/jwks', (url, document) => judgeKeys(url, document, expected)),
  ]);
  return {
    issuer,
    findings: mergeFindings([...discovery.findings, ...jwks.findings]),
    tookMs: Math.max(discovery.tookMs, jwks.tookMs),
    certificate: discovery.certificate ?? jwks.certificate,
  };
}
