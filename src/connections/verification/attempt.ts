// One look whether STS lets us in: assume the role with a session that can do nothing, and ask whose account that is.
import type { Clock } from '../../clock.ts';
import type { AwsSts } from '../../clouds/aws.ts';
import { ANSWER_FAULTS, findAnswerFault } from '../../clouds/aws-answer.ts';
import { StsError } from '../../clouds/aws-errors.ts';
import { buildStsHint, type TrustFacts } from '../../clouds/aws-hints.ts';
import { Problem } from '../../errors.ts';
import { issuerUrlOf } from '../../issuers/documents.ts';
import type { MintWebIdentityToken, WebIdentity } from '../../tokens/mint.ts';
import type { ConnectionRow } from '../store.ts';
import { AUDIENCE } from '../template.ts';
import type { Outcome } from './judge.ts';

/** So that a customer's SIEM can tell these sessions. */
export const SESSION_NAME = 'countersign-verify';

/** Whatever the role may do, this session may not. */
export const DENY_EVERYTHING = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Deny', Action: '*', Resource: '*' }],
});

/** The shortest that AWS gives. */
export const SESSION_SECONDS = 900;

export interface AttemptDeps {
  issuerUrl: string;
  mintWebIdentityToken: MintWebIdentityToken;
  /**
   * Durable when it resolves: no token is shown to STS before it is on record.
   * @throws EpochChanged where `epoch`, under which it was decided, is over.
   */
  recordIntent(connection: string, minted: { kid: string; jti: string }, epoch: number): Promise<void>;
  sts: Pick<AwsSts, 'assumeRoleWithWebIdentity' | 'getCallerIdentity'>;
  clock: Pick<Clock, 'wall'>;
}

export interface Attempt {
  outcome: Outcome;
  /** What was minted and called, for the record; empty where no token was made. */
  evidence: { kid?: string; jti?: string; access_key_id?: string; request_id?: string };
}

/** The connection as its account's trust must name it. */
export function trustFacts(row: ConnectionRow, issuerUrl: string): TrustFacts {
  return {
    ...{ issuerUrl: issuerUrlOf(issuerUrl, row.issuer), audience: AUDIENCE, subject: row.subject },
    ...{ accountId: row.account_id, roleArn: row.role_arn, region: row.region },
    ...{ sessionTags: row.session_tags, sourceIdentity: row.source_identity, durationSeconds: SESSION_SECONDS },
  };
}

/** A token like those of exchanges, so that STS taking it means that the trust allows what they will carry. */
export function tokenOf(row: ConnectionRow): WebIdentity {
  return {
    ...{ issuer: row.issuer, algorithm: row.algorithm, subject: row.subject, roleArn: row.role_arn },
    sourceIdentity: row.source_identity ? SESSION_NAME : undefined,
    tags: row.session_tags ? { 'countersign:session': 'verify' } : undefined,
  };
}

/** @throws what is neither an answer of AWS nor a refusal of the signing keys: a fault of our own */
export async function attemptVerification(deps: AttemptDeps, row: ConnectionRow, epoch: number): Promise<Attempt> {
  const evidence: Attempt['evidence'] = {};
  try {
    const minted = await deps.mintWebIdentityToken(tokenOf(row));
    Object.assign(evidence, { kid: minted.kid, jti: minted.jti });
    await deps.recordIntent(row.id, minted, epoch);
    const { region, role_arn: roleArn } = row;
    const session = await deps.sts.assumeRoleWithWebIdentity({
      ...{ region, roleArn, roleSessionName: SESSION_NAME, token: minted.token },
      ...{ durationSeconds: SESSION_SECONDS, policy: DENY_EVERYTHING },
    });
    Object.assign(evidence, { access_key_id: session.accessKeyId, request_id: session.requestId });
    // What no exchange would hand out proves nothing. Which role is pinned, `judge` looks at.
    const fault = findAnswerFault(
      session,
      { aws: { ...row, role_id: null }, sessionName: SESSION_NAME, durationSeconds: SESSION_SECONDS },
      deps.clock.wall(),
    );
    if (fault !== undefined) {
      const { what, hint } = ANSWER_FAULTS[fault];
      return { outcome: refuse(fault, `AWS STS answered ${what}. ${hint}`), evidence };
    }
    const { accessKeyId, secretAccessKey, sessionToken } = session;
    const identity = await deps.sts.getCallerIdentity({
      region,
      credentials: { accessKeyId, secretAccessKey, sessionToken },
    });
    return { outcome: compare(row, session.assumedRoleId, identity), evidence };
  } catch (error) {
    if (error instanceof StsError) {
      if (error.requestId !== undefined) evidence.request_id = error.requestId;
      const detail = `${error.awsMessage} ${buildStsHint(trustFacts(row, deps.issuerUrl), error)}`.trim();
      return { outcome: { ok: false, side: error.side, code: error.awsCode, detail }, evidence };
    }
    if (error instanceof Problem)
      return { outcome: { ok: false, side: 'ours', code: error.code, detail: error.message }, evidence };
    throw error;
  }
}

function refuse(code: string, detail: string): Outcome {
  return { ok: false, side: 'account_owner', code, detail };
}

function compare(
  row: ConnectionRow,
  assumedRoleId: string,
  identity: { account: string; arn: string; userId: string },
): Outcome {
  if (identity.account !== row.account_id) {
    return refuse(
      'AccountMismatch',
      `STS let us into account ${identity.account}, and this connection is to ${row.account_id}.`,
    );
  }
  const expected = `arn:${row.partition}:sts::${row.account_id}:assumed-role/${row.role_name}/${SESSION_NAME}`;
  if (identity.arn !== expected || identity.userId !== assumedRoleId) {
    return refuse('RoleMismatch', `STS let us in as ${identity.arn}, and this connection is to ${row.role_arn}.`);
  }
  return { ok: true, roleId: assumedRoleId.slice(0, assumedRoleId.indexOf(':')) };
}
