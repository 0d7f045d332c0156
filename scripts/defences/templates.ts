// Templates: what a customer's stack trusts, and what it gives.
import { type Defence, provenBy } from './defence.ts';

const TEMPLATE = 'test/connections/template.test.ts';
const template = 'src/connections/template.ts';
const parameters = 'src/connections/template-parameters.ts';

export const templates: Defence[] = [
  ...provenBy(TEMPLATE, 'the trust names one issuer, one audience and one subject', [
    {
      name: 'connections.trust-audience',
      promise: 'the trust policy demands the audience',
      file: template,
      find: '[`${name}:aud`]: AUDIENCE, [`${name}:sub`]: subject',
      replace: '[`${name}:sub`]: subject',
    },
    {
      name: 'connections.trust-subject',
      promise: 'the trust policy demands the subject',
      file: template,
      find: '[`${name}:aud`]: AUDIENCE, [`${name}:sub`]: subject',
      replace: '[`${name}:aud`]: AUDIENCE',
    },
    {
      name: 'connections.trust-exact',
      promise: 'and both to the letter',
      file: template,
      find: 'StringEquals: {',
      replace: 'StringLike: {',
    },
  ]),
  ...provenBy('test/connections/sandbox.test.ts', 'the published template gives the role what the baked one gives it', [
    {
      name: 'connections.published-set',
      promise: 'a link gives the permission set that was asked for',
      file: parameters,
      find: "equals('PermissionSet', 'administrator')",
      replace: "equals('PermissionSet', 'read-only')",
    },
    {
      name: 'connections.published-additions',
      promise: 'a link gives the additions that were asked for',
      file: parameters,
      find: "equals(ADDITION_NAMES[addition], 'true')",
      replace: "equals(ADDITION_NAMES[addition], 'false')",
    },
  ]),
  ...provenBy(TEMPLATE, 'the provider is pinned to nothing but its URL and audience', [
    {
      name: 'connections.client-ids',
      promise: 'the provider takes one audience',
      file: template,
      find: 'ClientIdList: [AUDIENCE]',
      replace: "ClientIdList: [AUDIENCE, '*']",
    },
  ]),
  ...provenBy(TEMPLATE, 'tagging and source identity are trusted only where they are switched on', [
    {
      name: 'connections.trust-actions',
      promise: 'no action is trusted that is not asked for',
      file: 'src/clouds/aws-hints.ts',
      find: "sessionTags ? ['sts:TagSession'] : []",
      replace: "sessionTags || true ? ['sts:TagSession'] : []",
    },
  ]),
  ...provenBy(TEMPLATE, 'the parameters take their values and nothing that could mean more', [
    {
      name: 'connections.parameters',
      promise: 'parameters have strict patterns',
      file: parameters,
      find: "AllowedPattern: idPattern('is')",
      replace: "AllowedPattern: '.*'",
    },
    {
      name: 'connections.role-name',
      promise: 'a role name is a role name',
      file: parameters,
      find: "'^[A-Za-z0-9+=,.@_-]{1,64}$'",
      replace: "'^.{1,64}$'",
    },
  ]),
];
