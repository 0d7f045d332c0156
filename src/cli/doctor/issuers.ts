// From outside: discovery and JWKS of issuers, as AWS fetches them.
import { systemClock } from '../../clock.ts';
import { reachIssuer } from '../../reach/reach.ts';
import { type Ask, createAsk } from '../../reach/stranger.ts';
import { type Check, ok } from './findings.ts';

export interface Issuer {
  url: string;
  /** Kids that its JWKS must hold, where they are known. */
  signing?: readonly string[];
}

export function checkIssuer({ url, signing }: Issuer, ask: Ask = createAsk()): Check {
  return {
    code: 'issuer_reached',
    look: async () => {
      const { findings, tookMs } = await reachIssuer(url, { ask, clock: systemClock }, signing ? { signing } : {});
      if (findings.length === 0)
        return [ok('issuer_reached', `Clouds can read discovery and JWKS, in ${Math.round(tookMs)} ms.`, url)];
      return findings.map(({ code, severity, url: subject, detail, hint }) => ({
        ...{ code: `issuer_${code}`, severity: severity === 'error' ? ('failure' as const) : ('warning' as const) },
        ...{ subject, detail, hint },
      }));
    },
  };
}
