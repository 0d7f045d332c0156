// One canary: a web identity token that can do nothing, on record before STS sees it, and what STS said to it.
import type { AuditEntry } from '../../audit/chain.ts';
import { SYSTEM } from '../../audit/act.ts';
import { underOneEpoch } from '../../audit/decisions.ts';
import type { AwsSts } from '../../clouds/aws.ts';
import { StsError, type StsSide } from '../../clouds/aws-errors.ts';
import type { Db } from '../../db/connect.ts';
import type { Canary } from '../../keys/canaries.ts';
import type { Algorithm } from '../../keys/algorithms.ts';
import type { CanaryOutcome, Count } from '../../metrics/count.ts';
import { readStanding } from '../../seal/store.ts';
import type { MintCanary } from '../../tokens/canary.ts';
import type { Minted } from '../../tokens/mint.ts';
import { type ConnectionRow, findProvingConnection } from '../store.ts';
import { DENY_EVERYTHING, SESSION_NAME, SESSION_SECONDS, tokenOf } from '../verification/attempt.ts';

export interface ShowDeps {
  db: Db;
  mintCanary: MintCanary;
  /** Durable when it resolves. @throws EpochChanged where `epoch`, under which it was decided, is over. */
  append(append: { entry: AuditEntry; epoch?: number }): Promise<void>;
  sts: Pick<AwsSts, 'assumeRoleWithWebIdentity'>;
  count: Pick<Count, 'canary'>;
}

export interface Shown {
  /** The canary's jti, and the connection that it was shown for. */
  id: string;
  connection: string;
  /** Undefined where STS took it. */
  refusal?: { side: StsSide; code: string; message: string } | undefined;
  /** The role that let it in is not the one that is pinned. */
  otherRole: boolean;
  requestId?: string | undefined;
}

/** Nothing was minted, and why: `sealed`, `no_connection`, `busy`. */
export interface NotAsked {
  notAsked: string;
}

export interface Ask {
  ring: { id: string; issuer: string; algorithm: Algorithm };
  about: Canary['about'];
  /** The key that the look is about; the active key's canary, where it is asked for comparison. */
  kid: string;
  signedBy: 'this' | 'active';
}

type Details = NonNullable<AuditEntry['details']>;

export function createShow({ db, mintCanary, append, sts, count }: ShowDeps) {
  async function call(row: ConnectionRow, minted: Minted): Promise<Shown> {
    const known = { id: minted.jti, connection: row.id };
    try {
      const { assumedRoleId, requestId } = await sts.assumeRoleWithWebIdentity({
        ...{ region: row.region, roleArn: row.role_arn, roleSessionName: SESSION_NAME, token: minted.token },
        ...{ durationSeconds: SESSION_SECONDS, policy: DENY_EVERYTHING },
      });
      return { ...known, requestId, otherRole: assumedRoleId !== `${row.role_id}:${SESSION_NAME}` };
    } catch (error) {
      if (!(error instanceof StsError)) throw error;
      const { side, awsCode: code, awsMessage: message, requestId } = error;
      return { ...known, requestId, otherRole: false, refusal: { side, code, message } };
    }
  }

  function outcomeOf({ refusal }: Shown): CanaryOutcome {
    if (!refusal) return 'accepted';
    return isAboutKey(refusal) ? 'refused' : 'unclear';
  }

  /**
   * @throws Problem where nobody may sign, the key does not open, or the record is not durable
   */
  async function show(ask: Ask): Promise<Shown | NotAsked> {
    const { ring, about, kid, signedBy } = ask;
    const attempt = async (): Promise<Shown | NotAsked> => {
      // The epoch first: whatever changes after it is read, the record of the intent refuses.
      const { epoch, seal } = await readStanding(db);
      if (seal) return { notAsked: 'sealed' };
      const row = await findProvingConnection(db, ring.issuer);
      if (!row) return { notAsked: 'no_connection' };
      const identity = { ...tokenOf(row), algorithm: ring.algorithm };
      const minted = await mintCanary(signedBy === 'this' ? { ...identity, kid } : identity);
      const named: Details = { ring: ring.id, kid: minted.kid, jti: minted.jti, about, looked_at: kid };
      const entry = (kind: string, details: Details): AuditEntry => ({
        ...{ kind, actor: SYSTEM.id, connection: row.id, details: { ...named, ...details } },
      });
      await append({ epoch, entry: entry('key.canary_intent', {}) });
      const shown = await call(row, minted);
      count.canary(about, outcomeOf(shown));
      const { refusal, requestId } = shown;
      const said = refusal ? { aws_code: refusal.code, aws_message: refusal.message, side: refusal.side } : {};
      await append({
        entry: entry('key.canary', { outcome: refusal ? 'refused' : 'accepted', ...said, request_id: requestId }),
      });
      return shown;
    };
    return await underOneEpoch(attempt, () => ({ notAsked: 'busy' }));
  }
  return show;
}

export type Show = ReturnType<typeof createShow>;

/**
 * A refusal that may be about the key. What it says of a missing provider or audience is about the customer's stack, whose
 * deletion reaches some of AWS's hosts before others.
 */
export function isAboutKey({ side, code }: { side: StsSide; code: string }): boolean {
  return code === 'InvalidIdentityToken' && side !== 'account_owner';
}

/** STS itself wants fewer calls, or does not answer: nobody's look finds out anything now. */
export function isOverloaded({ side, code }: { side: StsSide; code: string }): boolean {
  return side === 'throttled' || code === 'Timeout' || code === 'Unreachable';
}
