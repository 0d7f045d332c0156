// Scene, the main job: a workload token, traded for session credentials, used at AWS.
import { GetCallerIdentityCommand } from '@aws-sdk/client-sts';
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose';
import { readAnswer } from '../../cli/answer.ts';
import { createApi } from '../../cli/api.ts';
import { send } from '../../cli/http.ts';
import { buildClientProof } from '../../cli/proof.ts';
import { requestToken } from '../../cli/remote.ts';
import { withSts } from '../aws.ts';
import { expectEqual, expectThat } from '../expect.ts';
import type { Tell } from '../runner.ts';
import type { Connection } from './connect.ts';
import type { House } from './house.ts';
import type { Workload } from './workload.ts';

export interface WorkloadToken {
  value: string;
  kid: string;
  jti: string;
  audience: string;
}

/** The container credentials protocol's answer. */
export interface Credentials {
  AccessKeyId: string;
  SecretAccessKey: string;
  Token: string;
  Expiration: string;
  AccountId: string;
  RoleArn: string;
}

/** The first of a kid, enough to tell keys apart. */
export const short = (kid: string): string => kid.slice(0, 8);

export const audienceOf = ({ discovered }: House, { id }: Connection): string =>
  `${discovered.issuer}/v1/connections/${id}/credentials`;

/** As any verifier would: against the keys that the platform issuer publishes now. */
async function verify({ discovered }: House, token: string, audience: string) {
  const jwks = readAnswer(await send({ method: 'GET', url: `${discovered.issuer}/jwks` })) as JSONWebKeySet;
  const expected = { issuer: discovered.issuer, audience, typ: 'at+jwt', algorithms: ['ES256'] };
  return await jwtVerify(token, createLocalJWKSet(jwks), expected);
}

export async function getToken(house: House, workload: Workload, resource: string, tell: Tell): Promise<WorkloadToken> {
  const client = { clientId: workload.id, privateKeyFile: workload.privateKeyFile };
  const proof = buildClientProof(client, house.discovered.issuer, Date.now());
  const { access_token: value } = await requestToken(proof, house.discovered, { resource, scopes: [] });
  const { payload, protectedHeader } = await verify(house, value, resource);
  expectEqual('its subject', payload.sub, workload.id);
  const { exp = 0, iat = 0, jti } = payload;
  expectThat(exp - iat <= 900, `It must live 15 minutes at most, not ${exp - iat} s.`);
  expectThat(jti !== undefined && protectedHeader.kid !== undefined, 'It must carry a jti and a kid.');
  tell(`aud ${resource}`);
  tell(
    `signed by platform key ${short(protectedHeader.kid)}, good for ${(exp - iat) / 60} minutes and this one audience`,
  );
  return { value, kid: protectedHeader.kid, jti, audience: resource };
}

/**
 * The call itself, as a workload makes it.
 * @param durationSeconds another one than was asked for before is another session: AWS is asked for it
 * @throws Failure with what the service said
 */
export async function askForCredentials(
  house: House,
  token: WorkloadToken,
  connection: Connection,
  durationSeconds?: number,
): Promise<Credentials> {
  const access = {
    token: { access_token: token.value, token_type: 'Bearer', expires_in: 0 },
    apiUrl: house.service.url,
  };
  const body = durationSeconds === undefined ? {} : { duration_seconds: durationSeconds };
  return (await createApi(access, {}).send(
    'POST',
    `/v1/connections/${connection.id}/credentials`,
    body,
  )) as Credentials;
}

export async function trade(
  house: House,
  token: WorkloadToken,
  connection: Connection,
  tell: Tell,
  durationSeconds?: number,
): Promise<Credentials> {
  const credentials = await askForCredentials(house, token, connection, durationSeconds);
  const { AccessKeyId, AccountId, RoleArn, Expiration } = credentials;
  expectEqual('the account', AccountId, connection.aws.account_id);
  expectEqual('the role', RoleArn, connection.aws.role_arn);
  expectThat(AccessKeyId.startsWith('ASIA'), `The access key must be a session's (ASIA…), not ${AccessKeyId}.`);
  expectThat(Date.parse(Expiration) > Date.now(), `They must be good for a while, and ended at ${Expiration}.`);
  tell(
    `access key ${AccessKeyId}, until ${Expiration}; nothing is stored: the session is kept in memory, for this workload alone`,
  );
  return credentials;
}

/** @returns the ARN of the assumed role, as AWS names it */
export async function use(
  { sandbox }: House,
  workload: Workload,
  credentials: Credentials,
  connection: Connection,
  tell: Tell,
): Promise<string> {
  const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, Token: sessionToken } = credentials;
  const identity = await withSts(sandbox.url, { accessKeyId, secretAccessKey, sessionToken }, (client) =>
    client.send(new GetCallerIdentityCommand({})),
  );
  expectEqual('the account that AWS sees', identity.Account, connection.aws.account_id);
  const { Arn: arn = '' } = identity;
  const session = `:assumed-role/${connection.aws.role_name}/${workload.slug}-`;
  expectThat(
    arn.includes(session),
    `AWS must see a session of ${connection.aws.role_name} named after ${workload.slug}, not ${arn}.`,
  );
  tell(`AWS: "You are ${arn}"`);
  return arn;
}

/** The key that signed the web identity token of this workload token's latest exchange: the token itself never leaves. */
export async function exchangeKid({ api }: House, token: WorkloadToken, connection: Connection): Promise<string> {
  const { items } = (await api.get('/v1/audit', { kind: 'exchange.intent', connection: connection.id })) as {
    items: { details: { kid: string; token_jti: string } }[];
  };
  const intent = items.find(({ details }) => details.token_jti === token.jti);
  expectThat(intent !== undefined, 'The exchange must be on record.');
  return intent.details.kid;
}
