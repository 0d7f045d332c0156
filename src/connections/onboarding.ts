// What a customer is given to connect an account: the template, the link, and the request to look whether it works.
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { Type } from 'typebox';
import type { Act } from '../audit/act.ts';
import type { Db } from '../db/connect.ts';
import { Problem } from '../errors.ts';
import { requireScopes } from '../http/caller.ts';
import { requestVerification } from './change.ts';
import { buildLink } from './link.ts';
import { Connection, ConnectionParams, Link, TemplateQuery } from './schema.ts';
import { showConnection } from './show.ts';
import { type ConnectionRow, findConnection } from './store.ts';
import { buildBakedTemplate, buildTemplate, type Template, type TemplateValues, writeTemplate } from './template.ts';

export interface OnboardingDeps {
  db: Db;
  act: Act;
  issuerUrl: string;
  /** Where the operator published the template: an https URL of S3. */
  templateUrl?: string | undefined;
  wake?: (() => void) | undefined;
  /** @throws Problem where a cloud could not read that issuer's documents now: its stack would fail. */
  assertReachable?: ((issuer: string) => Promise<void>) | undefined;
}

const tags = ['connections'];

const TEMPLATE_ANSWER = {
  200: {
    description: 'An AWS CloudFormation template',
    content: {
      'application/yaml': { schema: Type.String() },
      'application/json': { schema: Type.Unknown() },
    },
  },
};

function sendTemplate(reply: FastifyReply, template: Template, format: 'yaml' | 'json'): FastifyReply {
  return reply
    .type(`application/${format}`)
    .serializer((text: string) => text)
    .send(writeTemplate(template, format));
}

function templateValues(row: ConnectionRow): TemplateValues {
  return {
    ...{ issuer: row.issuer, subject: row.subject, roleName: row.role_name, permissionSet: row.permission_set },
    ...{ additions: row.additions, customPolicy: row.custom_policy, maxSessionSeconds: row.max_session_seconds },
    ...{ sessionTags: row.session_tags, sourceIdentity: row.source_identity },
  };
}

export function registerOnboardingRoutes(
  server: FastifyInstance,
  { db, act, issuerUrl, templateUrl, wake, assertReachable }: OnboardingDeps,
): void {
  const app = server.withTypeProvider<TypeBoxTypeProvider>();

  app.get(
    '/v1/template',
    {
      preHandler: requireScopes('connections:read'),
      schema: {
        ...{ operationId: 'getTemplate', summary: 'The CloudFormation template to publish at TEMPLATE_URL', tags },
        ...{ querystring: TemplateQuery, response: TEMPLATE_ANSWER },
      },
    },
    (request, reply) => sendTemplate(reply, buildTemplate(issuerUrl), request.query.format ?? 'yaml'),
  );

  app.get(
    '/v1/connections/:connection/template',
    {
      preHandler: requireScopes('connections:read'),
      schema: {
        ...{
          operationId: 'getConnectionTemplate',
          summary: "The template with this connection's values; a pending one is verified from now on",
          tags,
        },
        ...{ params: ConnectionParams, querystring: TemplateQuery, response: TEMPLATE_ANSWER },
      },
    },
    async (request, reply) => {
      const row = await act(request.caller, (trx) => requestVerification(trx, request.params.connection, 'template'));
      wake?.();
      return sendTemplate(reply, buildBakedTemplate(issuerUrl, templateValues(row)), request.query.format ?? 'yaml');
    },
  );

  app.get(
    '/v1/connections/:connection/link',
    {
      preHandler: requireScopes('connections:read'),
      schema: {
        ...{
          operationId: 'getConnectionLink',
          summary: 'The quick-create link; a pending connection is verified from now on',
          tags,
        },
        ...{ params: ConnectionParams, response: { 200: Link } },
      },
    },
    async (request) => {
      if (templateUrl === undefined) {
        throw new Problem('template_url_missing', 'The template has not been published, so there is no link to it.', {
          hint: 'Publish GET /v1/template in a public S3 bucket and set TEMPLATE_URL, or hand out GET /v1/connections/{connection}/template.',
        });
      }
      // IAM reads the documents while the stack is created: a link that cannot work is handed out to nobody.
      const found = await findConnection(db, request.params.connection);
      if (found) await assertReachable?.(found.issuer);
      const link = await act(request.caller, async (trx) => {
        const done = await requestVerification(trx, request.params.connection, 'link');
        const { id, partition, region, permission_set: permissionSet } = done.result;
        if (permissionSet === 'custom') {
          throw new Problem(
            'custom_policy_unpublished',
            'A custom policy is not in the published template, so there is no link to it.',
            {
              hint: 'Hand out GET /v1/connections/{connection}/template: it carries the policy.',
            },
          );
        }
        const { url, stackName } = buildLink(templateUrl, {
          ...templateValues(done.result),
          permissionSet,
          id,
          partition,
          region,
        });
        return { ...done, result: { url, stack_name: stackName, template_url: templateUrl } };
      });
      wake?.();
      return link;
    },
  );

  app.post(
    '/v1/connections/:connection/verify',
    {
      preHandler: requireScopes('connections:write'),
      schema: {
        ...{ operationId: 'verifyConnection', summary: 'Ask STS now, and go on asking until it works', tags },
        ...{ params: ConnectionParams, response: { 202: Connection } },
      },
    },
    async (request, reply) => {
      const row = await act(request.caller, (trx) => requestVerification(trx, request.params.connection, 'verify'));
      wake?.();
      return reply.code(202).send(showConnection(row, issuerUrl));
    },
  );
}
