// One connection that works, at the real sandbox over HTTP, under a clock that tests step: its ring, documents, role and proofs.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import { SYSTEM } from '../../../src/audit/act.ts';
import { createAuditStream } from '../../../src/audit/stream.ts';
import { type AwsSts, createAwsSts } from '../../../src/clouds/aws.ts';
import { createPace } from '../../../src/connections/canary/pace.ts';
import {
  createRevocationProver,
  type RevocationDeps,
  type RevocationProver,
} from '../../../src/connections/canary/revoked.ts';
import { createShow, type ShowDeps } from '../../../src/connections/canary/show.ts';
import { createStandbyCheck } from '../../../src/connections/canary/standby.ts';
import { insertConnection } from '../../../src/connections/store.ts';
import { buildBakedTemplate, writeTemplate } from '../../../src/connections/template.ts';
import { discoveryDocument, jwksDocument } from '../../../src/issuers/documents.ts';
import type { KeyPolicy } from '../../../src/keys/policy.ts';
import { mayProveRevocation } from '../../../src/keys/proofs.ts';
import type { RotateDeps } from '../../../src/keys/rotate.ts';
import { createLocalSigner, type LocalSigner } from '../../../src/keys/signer.ts';
import { activeKey, standbyKey } from '../../../src/keys/timeline.ts';
import type { RingView } from '../../../src/keys/view.ts';
import { UNCOUNTED } from '../../../src/metrics/count.ts';
import type { Sandbox } from '../../../src/sandbox/sandbox.ts';
import { createMintCanary, type MintCanary } from '../../../src/tokens/canary.ts';
import { createMintWebIdentityToken, type MintWebIdentityToken } from '../../../src/tokens/mint.ts';
import { startTestSandbox } from '../../support/connect-account.ts';
import { createKeysFixture, type KeysFixture, steppedClock } from '../../support/keys.ts';
import { ACCOUNT, openOwner, type Owner } from '../aws.ts';

export interface CanaryWorld extends KeysFixture {
  sandbox: Sandbox;
  owner: Owner;
  connection: string;
  roleName: string;
  ringView: RingView;
  signer: LocalSigner;
  mint: MintWebIdentityToken;
  mintCanary: MintCanary;
  /** Rotation with the check at STS. */
  rotation: RotateDeps;
  prover(more?: Partial<RevocationDeps>): RevocationProver;
  woken(): number;
  warned: object[];
  /** Steps every clock; the view is read anew. */
  step(ms: number): Promise<void>;
  /** Kids by what they are now. */
  active(): Promise<string>;
  standby(): Promise<string>;
  /** Outcomes of the calls to STS since the last time. */
  calls(): string[];
  records(prefix: string): Promise<{ kind: string; connection?: string; details: Record<string, unknown> }[]>;
  /** Tests put what is served in place of the true documents here. */
  documents: { jwks?: object; status?: number };
}

export interface CanaryOptions {
  policy?: KeyPolicy;
  jwksCacheSeconds?: number;
  /** In front of the real client. */
  sts?: (real: AwsSts) => Pick<AwsSts, 'assumeRoleWithWebIdentity'>;
  append?: (real: ShowDeps['append']) => ShowDeps['append'];
}

const ID = 'cn_aaaaaaaaaaaaaaaaaaaaaaaaaa';

/** Serves the documents of the ring as it is at the stepped time. */
async function serveDocuments(t: Test, keys: KeysFixture, documents: CanaryWorld['documents']): Promise<string> {
  const server = createServer(async (request, response) => {
    const ring = await keys.ring();
    const body = request.url?.endsWith('/jwks')
      ? (documents.jwks ?? jwksDocument([ring], keys.clock.database()))
      : discoveryDocument({ issuerUrl: url, internalUrl: url }, 'platform');
    response.writeHead(documents.status ?? 200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  t.teardown(() => new Promise((resolve) => server.close(resolve)));
  return url;
}

export async function openCanaryWorld(t: Test, options: CanaryOptions = {}): Promise<CanaryWorld> {
  // AWS's own client signs what the account's owner does, by this machine's clock.
  const clock = steppedClock(Date.now());
  const { policy, jwksCacheSeconds = 0 } = options;
  const keys = await createKeysFixture(t, { clock, purpose: 'web_identity_token', ...(policy ? { policy } : {}) });
  const { db } = keys.database;
  const documents: CanaryWorld['documents'] = {};
  const issuerUrl = await serveDocuments(t, keys, documents);
  const sandbox = await startTestSandbox(t, { clock: clock.wall, jwksCacheSeconds });
  const owner = openOwner(t, sandbox, ACCOUNT);

  const roleName = 'countersign-test';
  const values = {
    ...{ issuer: 'platform', subject: ID, roleName, permissionSet: 'read-only' as const, additions: [] },
    ...{ customPolicy: null, maxSessionSeconds: 3600, sessionTags: true, sourceIdentity: true },
  };
  await owner.createStack('connect', writeTemplate(buildBakedTemplate(issuerUrl, values), 'json'));
  await keys.act(SYSTEM, async (trx) => {
    await insertConnection(trx, {
      ...{ id: ID, reference: null, name: 'x', tenant: 'default', labels: {}, issuer: 'platform', subject: ID },
      ...{ algorithm: 'ES256', max_session_seconds: 3600, source_identity: true, session_tags: true },
      ...{ account_id: ACCOUNT, partition: 'aws', region: 'us-east-1', role_name: roleName },
      ...{ role_arn: `arn:aws:iam::${ACCOUNT}:role/${roleName}`, permission_set: 'read-only', additions: [] },
      custom_policy: null,
    });
    return { result: undefined, records: [], affectsDecisions: false };
  });

  const ringView = keys.view();
  await ringView.refresh();
  const signer = createLocalSigner({ db, keyring: keys.keyring, clock });
  const minting = { issuerUrl, view: ringView, signer, clock };
  const mint = createMintWebIdentityToken(minting);
  const mintCanary = createMintCanary({
    ...minting,
    mayProveRevocation: (ring, kid) => mayProveRevocation(db, ring, kid, clock.database()),
  });
  const sts = createAwsSts({ endpointUrl: sandbox.url });
  t.teardown(() => sts.close());
  const session = await sts.assumeRoleWithWebIdentity({
    ...{ region: 'us-east-1', roleArn: `arn:aws:iam::${ACCOUNT}:role/${roleName}`, roleSessionName: 'setup' },
    ...{
      durationSeconds: 900,
      token: (
        await mint({
          issuer: 'platform',
          algorithm: 'ES256',
          subject: ID,
          roleArn: `arn:aws:iam::${ACCOUNT}:role/${roleName}`,
        })
      ).token,
    },
  });
  await db.updateTable('connections').set({ state: 'active' }).execute();
  await db
    .updateTable('aws_connections')
    .set({ role_id: session.assumedRoleId.split(':')[0] as string })
    .execute();

  const stream = createAuditStream({ database: keys.database, clock, deadlineMs: 30_000 });
  const append: ShowDeps['append'] = (row) => stream.append(row);
  let woken = 0;
  const warned: object[] = [];
  const log = {
    warn: (line: object) => void warned.push(line),
    error: (line: object) => void t.fail(JSON.stringify(line)),
  };
  const show = createShow({
    ...{ db, mintCanary, count: UNCOUNTED },
    sts: options.sts?.(sts) ?? sts,
    append: options.append?.(append) ?? append,
  });
  const pace = () => createPace({ clock, sleep: async () => {} });
  const shared = { db, act: keys.act, readClock: keys.deps.readClock, show, log };
  const check = createStandbyCheck({ ...shared, pace: pace(), wake: () => (woken += 1) });
  const changed = () => ringView.refresh();
  let seen = sandbox.calls.length;

  return {
    ...keys,
    ...{ sandbox, owner, connection: ID, roleName, ringView, signer, mint, mintCanary, warned, documents },
    rotation: { ...keys.deps, changed, checks: [check] },
    prover: (more = {}) =>
      createRevocationProver({
        ...{ ...shared, pace: pace(), drop: signer.drop, publishedWithout: async () => true },
        ...more,
      }),
    woken: () => woken,
    step: async (ms) => {
      clock.step(ms);
      await ringView.refresh();
    },
    active: async () => activeKey((await keys.ring()).keys, clock.database())?.kid as string,
    standby: async () => standbyKey((await keys.ring()).keys, clock.database())?.kid as string,
    calls: () => {
      const made = sandbox.calls.slice(seen).filter(({ action }) => action === 'AssumeRoleWithWebIdentity');
      seen = sandbox.calls.length;
      return made.map(({ outcome }) => outcome);
    },
    records: async (prefix) => {
      const rows = await db
        .selectFrom('audit')
        .select('row')
        .where('kind', 'like', `${prefix}%`)
        .orderBy('at')
        .orderBy('stream')
        .orderBy('seq')
        .execute();
      return rows.map(({ row }) => JSON.parse(row));
    },
  };
}
