// The decision of one set of policies on one request: an explicit deny wins, and nothing is allowed by silence.
import { conditionsHold } from './conditions.ts';
import type { PolicyDocument, Principals, Statement } from './document.ts';
import type { Context } from './match.ts';
import { matches } from './match.ts';

export interface PolicyRequest {
  /** e.g. `iam:GetRole`. */
  action: string;
  /** The ARN acted on, or `*`; absent when a trust policy is asked. */
  resource?: string;
  /** The OIDC provider that vouches for the caller; asked of a trust policy. */
  federated?: string;
  context: Context;
}

export type Decision = 'allow' | 'implicit-deny' | 'explicit-deny';

function principalMatches(principals: Principals | undefined, request: PolicyRequest): boolean {
  if (request.federated === undefined) return principals === undefined;
  // `*` is everybody, those who come by way of a provider too.
  return principals?.Federated?.includes(request.federated) === true || principals?.AWS?.includes('*') === true;
}

function applies(statement: Statement, request: PolicyRequest, variables: boolean): boolean {
  const { context } = request;
  if (!principalMatches(statement.principals, request)) return false;
  const named = statement.actions.some((action) =>
    matches(action, request.action, { context, variables: false, wildcards: true, ignoreCase: true }),
  );
  if (named === statement.notAction) return false;
  if (statement.resources) {
    const resource = request.resource ?? '*';
    const covered = statement.resources.some((pattern) =>
      matches(pattern, resource, { context, variables, wildcards: true }),
    );
    if (covered === statement.notResource) return false;
  }
  // What cannot be understood counts against the caller: no Allow, but every Deny.
  return conditionsHold(statement.conditions, context, variables) ?? statement.effect === 'Deny';
}

/** The documents are united: any of them may allow, any of them may deny. */
export function evaluate(documents: readonly PolicyDocument[], request: PolicyRequest): Decision {
  let decision: Decision = 'implicit-deny';
  for (const document of documents) {
    for (const statement of document.statements) {
      if (!applies(statement, request, document.variables)) continue;
      if (statement.effect === 'Deny') return 'explicit-deny';
      decision = 'allow';
    }
  }
  return decision;
}
