// The main job, step by step: the table of contents of the demo. Each scene's file says how a step is done and checked.
import type { Facts } from './outcome.ts';
import type { Runner } from './runner.ts';
import type { Stage } from './stage.ts';
import { auditTable, readAudit } from './scenes/audit.ts';
import { ACME, becomeActive, type Connection, createStack, GLOBEX, registerConnection } from './scenes/connect.ts';
import { audienceOf, exchangeKid, getToken, trade, use } from './scenes/credentials.ts';
import { enter, type House, openSandbox, openService } from './scenes/house.ts';
import { mendTrust, refuseEditedTrust, refuseSiblingToken, refuseWithoutGrant } from './scenes/refusal.ts';
import { rotateNow, rotateTooSoon, showPolicy } from './scenes/rotation.ts';
import { grant, registerWorkload, type Workload } from './scenes/workload.ts';
import { expectEqual, expectThat } from './expect.ts';

export interface Played extends Facts {
  house: House;
  connection: Connection;
  workload: Workload;
  /** The resource that this workload's tokens are for. */
  audience: string;
}

export async function play({ scene, step }: Runner, stage: Stage): Promise<Played> {
  const sandbox = await step('start_sandbox', 'A sandbox takes the part of AWS: STS, IAM and CloudFormation', (tell) =>
    openSandbox(stage, tell),
  );
  const service = await step(
    'start_service',
    'Countersign starts, a process of its own on an embedded database',
    (tell) => openService(stage, sandbox, tell),
  );
  const house = await step(
    'get_host_token',
    'An operator on this host gets a first token over the Unix socket',
    (tell) => enter(stage, sandbox, service, tell),
  );

  scene('2. Customers connect their AWS accounts, and hand over no secret');
  const acme = await step(
    'register_connection',
    'A connection for Acme is registered, with an issuer of its own',
    (tell) => registerConnection(house, ACME, tell),
  );
  const globex = await step('register_sibling', 'And one for Globex: another issuer, other keys', (tell) =>
    registerConnection(house, GLOBEX, tell),
  );
  await step('create_stack', "Acme's owner reviews the template and creates the stack", (tell) =>
    createStack(house, acme, tell),
  );
  await step('create_sibling_stack', "So does Globex's", (tell) => createStack(house, globex, tell));
  await step('become_active', 'Countersign asks STS every 5 s until it is let in', (tell) =>
    becomeActive(house, [acme, globex], tell),
  );

  scene('3. A service of ours is let in');
  const workload = await step('register_workload', 'The cost report is registered, with a key of its own', (tell) =>
    registerWorkload(stage, house, 'cost-report', tell),
  );
  await step('grant', 'It is granted both connections', (tell) => grant(house, workload, [acme, globex], tell));

  scene('4. The main job: AWS credentials, and no key is stored anywhere');
  const audience = audienceOf(house, acme);
  const token = await step(
    'get_workload_token',
    'It signs who it is (private_key_jwt) and gets a workload token',
    (tell) => getToken(house, workload, audience, tell),
  );
  const credentials = await step(
    'trade_for_credentials',
    "It trades that for session credentials of Acme's account",
    (tell) => trade(house, token, acme, tell),
  );
  const assumedRoleArn = await step('use_credentials', 'It uses them with the AWS SDK: GetCallerIdentity', (tell) =>
    use(house, workload, credentials, acme, tell),
  );

  scene('5. Keys rotate, and nobody notices');
  await step('read_key_policy', 'The times of rotation are scaled down here', (tell) => showPolicy(house, tell));
  const kid = await exchangeKid(house, token, acme);
  const platformKid = await step(
    'rotate_platform_keys',
    'rotate --now: the platform, whose keys sign workload tokens',
    (tell) => rotateNow(house, 'platform', token.kid, tell),
  );
  const connectionKid = await step(
    'rotate_connection_keys',
    "rotate --now: Acme's connection, whose keys sign what AWS sees",
    (tell) => rotateNow(house, acme.issuer.id, kid, tell),
  );
  await step('refuse_early_rotation', 'Once more is too soon: not everybody has the next key yet', (tell) =>
    rotateTooSoon(house, acme.issuer.id, tell),
  );
  const token2 = await step('get_workload_token_again', 'A new workload token, by the new key', async (tell) => {
    const fresh = await getToken(house, workload, audience, tell);
    expectEqual('the key that signed it', fresh.kid, platformKid);
    return fresh;
  });
  const credentials2 = await step('trade_for_credentials_again', 'New credentials, by the new key', async (tell) => {
    const fresh = await trade(house, token2, acme, tell, 1500);
    expectEqual('the key that AWS was shown', await exchangeKid(house, token2, acme), connectionKid);
    return fresh;
  });
  await step('use_credentials_again', 'The same role, the same session name', async (tell) => {
    expectEqual('who AWS sees', await use(house, workload, credentials2, acme, tell), assumedRoleArn);
  });
  const credentials3 = await step('use_old_token', 'And the token of the old key is still good', async (tell) => {
    expectThat(token.kid !== token2.kid, 'The two tokens must be signed by different keys.');
    const same = await trade(house, token, acme, tell);
    expectEqual('the session, asked for again', same.AccessKeyId, credentials.AccessKeyId);
    return same;
  });

  scene('6. Refusal, which is the product');
  const stranger = await step(
    'register_stranger',
    'The newsletter is registered as a workload, and granted nothing',
    (tell) => registerWorkload(stage, house, 'newsletter', tell),
  );
  await step('refuse_without_grant', "No grant: the newsletter wants Acme's account", (tell) =>
    refuseWithoutGrant(house, stranger, acme, tell),
  );
  await step('refuse_sibling_token', "A sibling's token: the one for Globex, shown at Acme's", (tell) =>
    refuseSiblingToken(house, workload, { sibling: globex, connection: acme }, tell),
  );
  const trust = await step('refuse_edited_trust', "A trust policy edited by hand, in Acme's account", (tell) =>
    refuseEditedTrust(house, token2, acme, tell),
  );
  await step('mend_trust', "Acme's owner puts it back", (tell) => mendTrust(house, token2, acme, trust, tell));

  scene('7. All of it is on record');
  const all = [credentials, credentials2, credentials3];
  const happened = {
    accessKeyIds: all.map(({ AccessKeyId }) => AccessKeyId),
    secrets: [token.value, token2.value, ...all.flatMap(({ SecretAccessKey, Token }) => [SecretAccessKey, Token])],
    refusals: ['invalid_target', 'not_found', 'invalid_token', 'AccessDenied', 'standby_unseasoned'],
  };
  const rows = await step('read_audit', 'The security team reads the audit log', (tell) =>
    readAudit(house, happened, tell),
  );
  const named: [id: string, name: string][] = [acme, globex].map(({ id, name }) => [id, name]);
  const names = new Map([...named, [workload.id, workload.slug], [stranger.id, stranger.slug]]);
  stage.screen.block(`\n${auditTable(stage.screen.paint, rows, names)}`);
  return {
    house,
    connection: acme,
    workload,
    audience,
    account_id: credentials.AccountId,
    assumed_role_arn: assumedRoleArn,
  };
}
