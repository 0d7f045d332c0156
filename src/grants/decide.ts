// The one decision: may this workload use this connection for this purpose, and within which limits. Read for each request, never cached.
import { sql } from 'kysely';
import type { Db } from '../db/connect.ts';
import type { ConnectionState } from '../db/types.ts';
import { Problem } from '../errors.ts';
import { idPattern } from '../ids.ts';
import { refuseSealed } from '../seal/problem.ts';
import { EPOCH_ROW, type EpochRow, standingOf } from '../seal/store.ts';
import { letIn } from '../db/let-in.ts';
import { refused as tokenRefused } from '../tokens/verify.ts';
import { chooseGrant, refuseState } from './choose.ts';
import { HAS_SELECTOR, type SelectorKind, selectorsOf } from './selector.ts';

export interface DecisionQuestion {
  /** `wl_…` */
  workload: string;
  /** An id or a reference, as the caller named it. */
  connection: string;
  purpose: string;
  /**
   * Of the key that signed what the workload showed: a revocation may be newer than what this process knows of keys. Undefined
   * where it is decided for all who wait together, each of whom is decided on by itself as well.
   */
  kid?: string | undefined;
  /** `wi_…`: the identity that let it in, where it showed a platform's token. */
  identity?: string | undefined;
}

export interface Decision {
  /** The policy epoch of the snapshot that this was decided in. */
  epoch: number;
  /** When the service was last sealed or unsealed; undefined where it never was. */
  sealChangedAt: string | undefined;
  /** `version` counts every change of it, its suspensions among them. */
  workload: { id: string; slug: string; version: number };
  connection: {
    id: string;
    reference: string | null;
    tenant: string;
    /** `is_…`; the `sub` that the cloud trusts; the algorithm of its ring. */
    issuer: string;
    subject: string;
    algorithm: 'ES256' | 'RS256';
    generation: number;
    state: ConnectionState;
    /** Seconds. */
    max_session_seconds: number;
    source_identity: boolean;
    session_tags: boolean;
    /** It has been in this state for a minute: AWS knows everywhere what was created for it. */
    settled: boolean;
  };
  aws: {
    account_id: string;
    partition: string;
    region: string;
    role_name: string;
    role_arn: string;
    role_id: string | null;
  };
  grant: {
    id: string;
    version: number;
    purpose: string;
    /** Seconds. */
    max_session_seconds: number;
    session_policy: Record<string, unknown> | null;
    policy_arns: string[];
    tags: Record<string, string>;
  };
}

/** One matching grant, or none: then the members of `grant` are null. */
interface Row {
  epoch_row: EpochRow;
  revoked: boolean;
  let_in: boolean;
  workload: Decision['workload'] & { state: 'active' | 'suspended' };
  connection: (Decision['connection'] & { state_reason: string }) | null;
  aws: Decision['aws'] | null;
  grant: (Decision['grant'] & { kind: SelectorKind; selector: string }) | null;
}

const CONNECTION_ID = new RegExp(idPattern('cn'));
const REFERENCE = /^[A-Za-z0-9._-]{1,64}$/;

/**
 * One statement, so one snapshot: workload, connection, epoch, and the grants by their unique index, one probe for each
 * selector that the connection answers to (`limit 1` keeps the planner from joining, whatever it thinks of the table).
 * Its cost knows neither how many connections there are nor how many grants, of this workload either.
 */
async function readRows(db: Db, { workload, connection, purpose, kid, identity }: DecisionQuestion): Promise<Row[]> {
  const column = sql.ref(CONNECTION_ID.test(connection) ? 'c.id' : 'c.reference');
  const { rows } = await sql<Row>`
    select
      ${EPOCH_ROW} as epoch_row,
      ${kid === undefined ? sql`false` : sql`exists (select from revocations where kid = ${kid})`} as revoked,
      ${identity === undefined ? sql`true` : sql`exists (${letIn(identity)})`} as let_in,
      json_build_object('id', w.id, 'slug', w.slug, 'version', w.version, 'state', w.state) as workload,
      case when c.id is not null then json_build_object('id', c.id, 'reference', c.reference, 'tenant', c.tenant,
        'issuer', c.issuer, 'subject', c.subject, 'algorithm', c.algorithm, 'generation', c.generation, 'state', c.state,
        'state_reason', c.state_reason, 'max_session_seconds', c.max_session_seconds,
        'source_identity', c.source_identity, 'session_tags', c.session_tags,
        'settled', c.state_since < now() - interval '1 minute') end as connection,
      case when a.connection is not null then json_build_object('account_id', a.account_id, 'partition', a.partition,
        'region', a.region, 'role_name', a.role_name, 'role_arn', a.role_arn, 'role_id', a.role_id) end as aws,
      case when g.id is not null then json_build_object('id', g.id, 'version', g.version, 'purpose', g.purpose,
        'max_session_seconds', g.max_session_seconds, 'session_policy', g.session_policy, 'policy_arns', g.policy_arns,
        'tags', g.tags, 'kind', g.selector_kind, 'selector', g.selector_value) end as "grant"
    from workloads w
    left join (connections c join aws_connections a on a.connection = c.id) on ${column} = ${connection}
    left join lateral (${selectorsOf(sql`where c.id is not null`)}) s on true
    left join lateral (
      select id, version, purpose, max_session_seconds, session_policy, policy_arns, tags, selector_kind, selector_value
      from grants
      where workload = w.id and purpose = ${purpose} and ${HAS_SELECTOR}
      limit 1
    ) g on true
    where w.id = ${workload}`.execute(db);
  return rows;
}

/** Of a connection that is not there and of one that is not granted: nothing but what was asked may show. */
function notGranted({ connection, purpose }: DecisionQuestion): Problem {
  return new Problem('not_found', `There is no connection "${connection}" for you to use for "${purpose}".`, {
    hint: 'If it should be there, ask an operator for a grant of this connection, for this purpose, to your workload.',
  });
}

/**
 * @throws Problem `invalid_token` (no such workload; its key revoked, its identity taken away), `workload_suspended`, `not_found`,
 * `grant_ambiguous`, `connection_not_active`, or `sealed`
 */
export async function decide(db: Db, question: DecisionQuestion): Promise<Decision> {
  const known = REFERENCE.test(question.connection);
  const rows = await readRows(db, known ? question : { ...question, connection: '' });
  const first = rows[0];
  if (!first) throw tokenRefused('its workload is not registered', 'Ask an operator to register it.');
  if (first.revoked) throw tokenRefused('its key was revoked');
  if (!first.let_in) {
    const refused = tokenRefused(
      'the identity that it proves lets nobody in any more',
      'An administrator can give this workload an identity, or look at the trusted issuer.',
    );
    throw Object.assign(refused, { bearer: question.workload });
  }
  const standing = standingOf(first.epoch_row);
  refuseSealed(standing);
  if (first.workload.state !== 'active') {
    throw new Problem('workload_suspended', 'This workload is suspended.', {
      hint: 'Ask an operator why, and to resume it.',
    });
  }
  const grant = chooseGrant(rows.flatMap((row) => (row.grant ? [row.grant] : [])));
  if (!grant || !first.connection || !first.aws) throw notGranted(question);
  refuseState(first.connection);
  const { state: _, ...workload } = first.workload;
  const { state_reason: __, ...connection } = first.connection;
  const { kind: ___, selector: ____, ...limits } = grant;
  const { epoch, sealChangedAt } = standing;
  return { epoch, sealChangedAt, workload, connection, aws: first.aws, grant: limits };
}
