// Our own documents read through ISSUER_URL, as a stranger reads them: what AWS would keep to itself has a name here.
import type { FastifyBaseLogger } from 'fastify';
import type { Clock } from '../clock.ts';
import type { Db } from '../db/connect.ts';
import { Problem } from '../errors.ts';
import { publishedJwk } from '../keys/algorithms.ts';
import { findPublicKey } from '../keys/facts.ts';
import { seasonedAt, activeKey } from '../keys/timeline.ts';
import type { RingView } from '../keys/view.ts';
import { type Finding, worstOf } from '../reach/findings.ts';
import { type Reached, reachIssuer } from '../reach/reach.ts';
import type { Ask } from '../reach/stranger.ts';
import { discoveryDocument, type IssuerUrls, issuerUrlOf, PLATFORM } from './documents.ts';

export interface Look extends Reached {
  /** Wall time, milliseconds since the epoch. */
  at: number;
}

export interface SelfCheck {
  /** Looks at the platform's documents, keeps what it saw, and logs where that is something else than before. */
  look(): Promise<void>;
  /** What the last look saw; undefined before the first. */
  latest(): Look | undefined;
  /** Looks at an issuer's documents now. @throws Problem `issuer_unreachable` where a cloud could not use them */
  assertReachable(issuer: string): Promise<void>;
}

export interface SelfCheckDeps {
  urls: IssuerUrls;
  view: RingView;
  db: Db;
  ask: Ask;
  clock: Clock;
  log: FastifyBaseLogger;
}

const describe = ({ code, url, detail, hint }: Finding): object => ({ code, url, detail, hint });

export function createSelfCheck({ urls, view, db, ask, clock, log }: SelfCheckDeps): SelfCheck {
  let last: Look | undefined;
  const looking = new Map<string, Promise<Look>>();

  /**
   * Behind one URL there may be replicas and caches whose view is up to D older than ours, or newer. So another set of
   * keys is no fault. Altered is a key that this issuer never had (removed and revoked ones it had), another key under a
   * kid of ours, and another address; and every replica must have the key that signs, once it was seasoned.
   */
  async function findKey(issuer: string, kid: string): Promise<Record<string, string> | undefined> {
    const known = view
      .find(issuer)
      ?.flatMap(({ algorithm, keys }) => keys.map((key) => ({ ...key, algorithm })))
      .find((key) => key.kid === kid);
    // Without a database nobody knows whether it is a newer key: what cannot be told is no finding.
    const found = known ?? (await findPublicKey(db, issuer, kid).catch(() => 'untold' as const));
    if (found === 'untold') return {};
    return found && publishedJwk(found.algorithm, kid, found.public);
  }

  function signingKids(issuer: string): string[] {
    const now = view.now();
    const active = (view.find(issuer) ?? []).flatMap(({ keys }) => activeKey(keys, now) ?? []);
    return active.filter((key) => seasonedAt(key, view.policy()) <= now).map((key) => key.kid);
  }

  function lookAt(issuer: string): Promise<Look> {
    const running = looking.get(issuer);
    if (running) return running;
    const reached = reachIssuer(
      issuerUrlOf(urls.issuerUrl, issuer),
      { ask, clock },
      {
        discovery: discoveryDocument(urls, issuer) as Record<string, unknown>,
        findKey: (kid) => findKey(issuer, kid),
        signing: signingKids(issuer),
      },
    )
      .then((found) => ({ ...found, at: clock.wall() }))
      .finally(() => looking.delete(issuer));
    looking.set(issuer, reached);
    return reached;
  }

  return {
    latest: () => last,

    look: async () => {
      const found = await lookAt(PLATFORM);
      const codesOf = (look: Look | undefined): string => look?.findings.map(({ code }) => code).join() ?? '';
      if (codesOf(found) !== codesOf(last)) {
        const findings = found.findings.map(describe);
        if (worstOf(found.findings))
          log.error({ findings }, 'clouds cannot use the documents at ISSUER_URL: exchanges will fail');
        else if (findings.length > 0)
          log.warn({ findings }, 'the documents at ISSUER_URL can be used, but something is wrong with them');
        else
          log.info({ took_ms: Math.round(found.tookMs) }, 'the documents at ISSUER_URL are reached as they should be');
      }
      last = found;
    },

    assertReachable: async (issuer) => {
      const { findings } = await lookAt(issuer);
      const worst = worstOf(findings);
      if (!worst) return;
      throw new Problem('issuer_unreachable', `A cloud cannot read this connection's issuer: ${worst.detail}`, {
        hint: worst.hint,
        retryAfter: 10,
        extra: { finding: worst.code, url: worst.url },
      });
    },
  };
}
