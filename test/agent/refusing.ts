// Each row of docs/refusals.md made real, all in one service: connections in every state, and an AWS that refuses in every way.
import {
  DeleteOpenIDConnectProviderCommand,
  DeleteRoleCommand,
  DetachRolePolicyCommand,
  IAMClient,
  RemoveClientIDFromOpenIDConnectProviderCommand,
  UpdateAssumeRolePolicyCommand,
  UpdateRoleCommand,
} from '@aws-sdk/client-iam';
import type { Test } from 'tap';
import { startGranted, type Granted } from '../support/agent.ts';
import { connectAccount, ownerConfig, type TestConnection } from '../support/connect-account.ts';
import { createForge } from '../support/forge.ts';
import { registerClient, workloadToken } from '../support/service.ts';
import { startStandIn } from '../support/stand-in-issuer.ts';
import { MAKE_ALONE } from './refusing-alone.ts';
import { answers, type Asked, createPace, faulty, made, type Make, RATES, type World } from './refusing-world.ts';

export interface Refusing extends Granted {
  /** Of the workload, for every connection granted. */
  token: string;
  asked(row: string): Promise<Asked>;
}

const shows =
  (claims: (world: World) => Record<string, unknown>, header: Record<string, unknown> = {}): Make =>
  async (world) => {
    const { workload, service } = world;
    const own = { sub: workload.id, client_id: workload.id, aud: `${service.config.issuerUrl}/v1/credentials` };
    return { connection: 'acme', token: await world.forge({ ...own, ...claims(world) }, header) };
  };

/** A connection in this state, whatever led there. */
const inState =
  (state: string, reason = ''): Make =>
  async (world) => {
    const id = await world.register();
    await world.service.database.db
      .updateTable('connections')
      .set({ state: state as 'unsafe', state_reason: reason })
      .where('id', '=', id)
      .execute();
    return { connection: id };
  };

const ownedSo =
  (change: (iam: IAMClient, connection: TestConnection, providerArn: string) => Promise<unknown>): Make =>
  async (world) => {
    const connection = await world.connect();
    const name = connection.issuer.url.replace(/^https?:\/\//, '');
    await change(world.iam(connection.account), connection, `arn:aws:iam::${connection.account}:oidc-provider/${name}`);
    return { connection: connection.id };
  };

const MAKE: Record<string, Make> = {
  'no token is shown': async () => ({ connection: 'acme', token: undefined }),
  'the token has expired': shows(() => ({ iat: 1_700_000_000, exp: 1_700_000_900 })),
  'the token is signed by a key that is not ours': shows(() => ({}), { kid: 'another' }),
  'the token is no token': async () => ({ connection: 'acme', token: 'opaque' }),
  'the token is for another resource': shows(({ service }) => ({ aud: `${service.config.issuerUrl}/v1` })),
  'the token is for another connection': shows(({ service }) => ({
    aud: `${service.config.issuerUrl}/v1/connections/cn_${'a'.repeat(26)}/credentials`,
  })),
  "the token is an administrator's": shows(() => ({ sub: 'host', client_id: 'host' })),
  "a platform's token has nobody's identity": async ({ t, service }) => {
    const cluster = await startStandIn(t);
    await made(
      service.call('POST', '/v1/trusted-issuers', { name: 'cluster', kind: 'kubernetes', issuer: cluster.url }),
    );
    const aud = `${service.config.issuerUrl}/v1/credentials`;
    return { connection: 'acme', token: await cluster.sign({ sub: 'system:serviceaccount:a:b', aud }) };
  },
  'the workload is not registered': shows(() => {
    const gone = `wl_${'a'.repeat(26)}`;
    return { sub: gone, client_id: gone };
  }),
  'the workload is suspended': async ({ service }) => {
    const suspended = await registerClient(service, { slug: 'suspended' });
    const resource = `${service.config.issuerUrl}/v1/credentials`;
    const token = await workloadToken(service, suspended, resource);
    await made(service.call('PATCH', `/v1/workloads/${suspended.id}`, { state: 'suspended' }));
    return { connection: 'acme', token };
  },
  'there is no such connection': async () => ({ connection: 'nobodys' }),
  'there is no grant for the purpose': async () => ({ connection: 'acme', query: 'purpose=report' }),
  'two grants match': async ({ service, workload, register }) => {
    for (const label of ['tier=gold', 'zone=eu'])
      await made(
        service.call('POST', '/v1/grants', { workload: workload.id, purpose: 'labelled', selector: { label } }),
      );
    const id = await register();
    // What the registry refuses to bring about.
    await service.database.db
      .updateTable('connections')
      .set({ state: 'active', labels: JSON.stringify({ tier: 'gold', zone: 'eu' }) })
      .where('id', '=', id)
      .execute();
    return { connection: id, query: 'purpose=labelled' };
  },
  'the duration is beyond the ceiling': async () => ({ connection: 'acme', query: 'duration_seconds=43200' }),
  'the duration is none that AWS takes': async () => ({ connection: 'acme', query: 'duration_seconds=1' }),
  'the query is not right': async () => ({ connection: 'acme', query: 'duration_seconds=soon' }),
  'the connection is pending': async ({ register }) => ({ connection: await register() }),
  'the connection is verifying': async ({ service, register }) => {
    const connection = await register();
    await made(service.call('POST', `/v1/connections/${connection}/verify`, {}));
    return { connection };
  },
  'the connection is unsafe': inState('unsafe', 'wildcard_accepted'),
  'the connection is paused': inState('paused'),
  'the connection is disconnected': inState('disconnected'),
  "the role's trust denies": ownedSo((iam, { aws }) =>
    iam.send(
      new UpdateAssumeRolePolicyCommand({
        RoleName: aws.role_name,
        PolicyDocument: JSON.stringify({
          Version: '2012-10-17',
          Statement: [{ Effect: 'Deny', Principal: '*', Action: 'sts:AssumeRoleWithWebIdentity' }],
        }),
      }),
    ),
  ),
  'the role is gone': ownedSo(async (iam, { aws }) => {
    const RoleName = aws.role_name;
    await iam.send(new DetachRolePolicyCommand({ RoleName, PolicyArn: 'arn:aws:iam::aws:policy/AdministratorAccess' }));
    await iam.send(new DeleteRoleCommand({ RoleName }));
  }),
  'the provider is gone': ownedSo((iam, _connection, arn) =>
    iam.send(new DeleteOpenIDConnectProviderCommand({ OpenIDConnectProviderArn: arn })),
  ),
  'the provider does not list the audience': ownedSo((iam, _connection, arn) =>
    iam.send(
      new RemoveClientIDFromOpenIDConnectProviderCommand({
        OpenIDConnectProviderArn: arn,
        ClientID: 'sts.amazonaws.com',
      }),
    ),
  ),
  'the role allows no session so long': async (world) => {
    const { id, account, aws } = await world.connect({ max_session_seconds: 7200 });
    await world.iam(account).send(new UpdateRoleCommand({ RoleName: aws.role_name, MaxSessionDuration: 3600 }));
    return { connection: id, query: 'duration_seconds=7200' };
  },
  'STS is switched off in the region': answers(403, 'RegionDisabledException'),
  'AWS throttles': faulty({ kind: 'throttle' }),
  'AWS answers 500': answers(500),
  'AWS cannot read the issuer': answers(400, 'IDPCommunicationError'),
  'AWS cannot be reached': faulty({ kind: 'reset' }),
  'AWS does not answer in time': faulty({ kind: 'latency', latencyMs: 60_000 }),
  'AWS answers for another account': faulty({ kind: 'other_account' }),
  'AWS answers for another role id': faulty({ kind: 'other_role' }),
  'AWS answers with another expiry': faulty({ kind: 'clock' }),
  'AWS finds the policy too large': answers(400, 'PackedPolicyTooLarge'),
  'AWS finds the token expired': answers(400, 'ExpiredTokenException'),
};

export const ALONE = Object.keys(MAKE_ALONE);
export const ROWS = [...Object.keys(MAKE), ...ALONE];

export async function startRefusing(t: Test): Promise<Refusing> {
  const pace = createPace();
  const env = { EGRESS_ALLOW_CIDRS: '127.0.0.1/32', ...RATES };
  const granted = await startGranted(t, { env, pace });
  const { service, sandbox, workload } = granted;
  await made(
    service.call('POST', '/v1/grants', {
      ...{ workload: workload.id, selector: { all: true }, max_session_seconds: 43_200 },
    }),
  );
  const token = await workloadToken(service, workload, `${service.config.issuerUrl}/v1/credentials`);
  let accounts = 0;
  const nextAccount = (): string => String(200_000_000_000 + (accounts += 1));
  const world: World = {
    ...{ ...granted, t, token, forge: await createForge(service), pace },
    connect: async (body = {}) => {
      const account = nextAccount();
      return { ...(await connectAccount(service, sandbox, { account, body })), account };
    },
    register: () =>
      made(
        service.call('POST', '/v1/connections', {
          name: 'A customer',
          aws: { account_id: nextAccount(), permission_set: 'administrator' },
        }),
      ),
    iam: (account) => {
      const iam = new IAMClient(ownerConfig(sandbox, account));
      t.teardown(() => iam.destroy());
      return iam;
    },
  };
  return {
    ...granted,
    token,
    asked: async (row) => ({ token, ...(await (MAKE[row] ?? MAKE_ALONE[row])?.(world)) }) as Asked,
  };
}
