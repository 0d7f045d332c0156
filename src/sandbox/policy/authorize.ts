// May this caller do that? Identity policies, a permissions boundary and session policies, all of which must agree.
import { accessDenied } from '../wire/error.ts';
import { zulu } from '../wire/xml.ts';
import type { Account, Actor, Role } from '../world.ts';
import type { PolicyDocument } from './document.ts';
import type { PolicyRequest } from './evaluate.ts';
import { evaluate } from './evaluate.ts';
import { findAwsManagedPolicy } from './managed.ts';
import type { Context } from './match.ts';
import { createContext } from './match.ts';

export function findManagedPolicy(account: Account, arn: string): PolicyDocument | undefined {
  return account.policies.get(arn)?.document ?? findAwsManagedPolicy(arn)?.document;
}

/** An ARN that resolves to nothing allows nothing: the policy was deleted after it was named. */
function documentsOf(account: Account, arns: Iterable<string>): PolicyDocument[] {
  return [...arns].flatMap((arn) => findManagedPolicy(account, arn) ?? []);
}

function contextOf(actor: Actor): Context {
  const { session, world } = actor;
  const now = world.now();
  return createContext({
    'aws:PrincipalArn': session
      ? actor.arn.replace(/:sts:(.*):assumed-role\/([^/]+)\/.*$/, ':iam:$1:role/$2')
      : actor.arn,
    'aws:PrincipalAccount': actor.account.accountId,
    'aws:PrincipalType': session ? 'AssumedRole' : 'Account',
    'aws:userid': actor.userId,
    'aws:RequestedRegion': actor.region,
    'aws:SourceIp': actor.sourceIp,
    // The sandbox stands in for an endpoint that speaks only TLS.
    'aws:SecureTransport': 'true',
    'aws:CurrentTime': zulu(now),
    'aws:EpochTime': String(Math.floor(now / 1000)),
    'aws:TokenIssueTime': session && zulu(session.issuedAt),
    'aws:FederatedProvider': session?.providerArn,
    'aws:SourceIdentity': session?.sourceIdentity,
    'sts:SourceIdentity': session?.sourceIdentity,
    ...Object.fromEntries((session?.tags ?? []).map(({ key, value }) => [`aws:PrincipalTag/${key}`, value])),
  });
}

interface Layer {
  name: string;
  documents: readonly PolicyDocument[];
}

function layersOf(account: Account, role: Role | undefined, session: NonNullable<Actor['session']>): Layer[] {
  const attached = role ? documentsOf(account, role.attached) : [];
  const layers: Layer[] = [{ name: 'identity-based', documents: role ? [...role.inline.values(), ...attached] : [] }];
  if (role?.boundaryArn) {
    layers.push({ name: 'permissions boundary', documents: documentsOf(account, [role.boundaryArn]) });
  }
  if (session.policies) {
    const { inline, arns } = session.policies;
    layers.push({ name: 'session', documents: [...(inline ? [inline] : []), ...documentsOf(account, arns)] });
  }
  return layers;
}

/** Session policies beside each other are united; that union is then intersected with the role's policies. */
function refusal(layers: readonly Layer[], request: PolicyRequest): string | undefined {
  const decisions = layers.map((layer) => ({ ...layer, decision: evaluate(layer.documents, request) }));
  const label = (name: string): string => (name === 'permissions boundary' ? name : `${name} policy`);
  const denied = decisions.find(({ decision }) => decision === 'explicit-deny');
  if (denied) return `with an explicit deny in ${denied.name === 'identity-based' ? 'an' : 'a'} ${label(denied.name)}`;
  const silent = decisions.find(({ decision }) => decision !== 'allow');
  return silent && `because no ${label(silent.name)} allows the ${request.action} action`;
}

/**
 * @param shown how the resource stands in the message; IAM names a role without its ARN.
 * @throws AwsError AccessDenied, in AWS's words
 */
export function authorize(actor: Actor, action: string, resource: string, shown: string = resource): void {
  const { session, account } = actor;
  if (!session) return;
  const found = account.roles.get(session.roleName.toLowerCase());
  // A role made again under the same name is another role: sessions of the first have lost their permissions.
  const role = found?.roleId === session.roleId ? found : undefined;
  const reason = refusal(layersOf(account, role, session), { action, resource, context: contextOf(actor) });
  if (reason === undefined) return;
  throw accessDenied(`User: ${actor.arn} is not authorized to perform: ${action} on resource: ${shown} ${reason}`);
}
