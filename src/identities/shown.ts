// A platform's token shown at the credentials endpoint itself: where it names that endpoint, it is taken as a workload token would be.
import { randomUUID } from 'node:crypto';
import { underOneEpoch } from '../audit/decisions.ts';
import { type AuditStream, Replayed } from '../audit/stream.ts';
import { Problem } from '../errors.ts';
import { refuseSealed } from '../seal/problem.ts';
import type { Seal } from '../seal/store.ts';
import { parseAudience } from '../tokens/audiences.ts';
import { MalformedToken, parseCompact } from '../tokens/compact.ts';
import { type VerifiedToken, type VerifyWorkloadToken, WrongAudience } from '../tokens/verify.ts';
import { isOurs } from '../trusted-issuers/check.ts';
import { ProofRefused } from '../trusted-issuers/refused.ts';
import type { Prove, Proved } from './prove.ts';

/** A workload as it is now; read from the database. */
export type ReadWorkload = (
  id: string,
) => Promise<{ state: 'active' | 'suspended'; epoch: number; seal: Seal | undefined } | undefined>;

export interface ShownDeps {
  issuerUrl: string;
  /** Of workload tokens. */
  verify: VerifyWorkloadToken;
  prove: Prove;
  readWorkload: ReadWorkload;
  stream: Pick<AuditStream, 'append'>;
  /** One request of this workload. @throws RateLimited */
  count(workload: string): void;
}

function refused(why: string): Problem {
  return new Problem('invalid_token', `The token was refused: ${why}.`, {
    hint: "Show a token of the platform's whose only audience is this endpoint, or a workload token.",
  });
}

/** Whether a token says that another than this service made it. */
function isOfAnother(token: string, issuerUrl: string): boolean {
  try {
    const { iss } = parseCompact(token).payload;
    return typeof iss === 'string' && iss.includes('://') && !isOurs(iss, issuerUrl);
  } catch (error) {
    if (error instanceof MalformedToken) return false;
    throw error;
  }
}

/**
 * Workload tokens as ever; and of what these are not, tokens of trusted issuers, each on record as a mint before it is used.
 * @throws what `verify` throws; Problem `invalid_token`, `workload_suspended`, `sealed`, `unavailable`; WrongAudience
 */
export function createVerifyShown(deps: ShownDeps): VerifyWorkloadToken {
  const { issuerUrl, verify, prove, readWorkload, stream, count } = deps;

  async function record(proved: Proved): Promise<string> {
    const workload = await readWorkload(proved.client);
    if (!workload) throw refused('its bearer is not registered');
    refuseSealed(workload);
    if (workload.state !== 'active')
      throw Object.assign(
        new Problem('workload_suspended', 'This workload is suspended or gone.', {
          hint: 'An administrator can resume it.',
        }),
        { bearer: proved.client },
      );
    const jti = randomUUID();
    const details = { audience: proved.audience, jti, shown: true, ...proved.details };
    const entry = { kind: 'token.minted', actor: proved.client, workload: proved.client, details };
    await stream.append({ entry, epoch: Math.min(proved.epoch, workload.epoch), replay: proved.replay });
    return jti;
  }

  async function take(text: string, accepts: (audience: string) => boolean, resource: string): Promise<VerifiedToken> {
    return await underOneEpoch(async (nth) => {
      try {
        const proved = await prove(text, { shown: 'platform' });
        const { client: workload, audience, expiresAt } = proved;
        if (nth === 1) count(workload);
        // An audience registered for something else of ours names no connection, and the issuer names the token endpoint.
        if (!parseAudience(issuerUrl, audience) || !accepts(audience)) throw new WrongAudience(workload, resource);
        const jti = await record(proved);
        const { proof_kid: kid, identity } = proved.details;
        return { subject: workload, audience, scopes: [], jti, kid, identity, expiresAt };
      } catch (error) {
        if (error instanceof ProofRefused) throw refused(error.message);
        if (error instanceof Replayed)
          throw refused('it was shown before, and its issuer is trusted for one-time tokens');
        throw error;
      }
    });
  }

  return async (text, accepts, resource) => {
    try {
      return await verify(text, accepts, resource);
    } catch (error) {
      const ours = error instanceof WrongAudience || !(error instanceof Problem) || error.code !== 'invalid_token';
      if (ours || !isOfAnother(text, issuerUrl)) throw error;
    }
    return await take(text, accepts, resource);
  };
}
