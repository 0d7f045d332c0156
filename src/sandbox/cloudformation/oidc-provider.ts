// AWS::IAM::OIDCProvider
import {
  addClientId,
  createProvider,
  deleteProvider,
  hostAndPath,
  removeClientId,
  requireProvider,
  updateThumbprints,
} from '../iam/providers.ts';
import { iamArn } from '../iam/names.ts';
import type { ResourceType } from './resource-type.ts';
import { requiredString, strings, tagsOf } from './resource-type.ts';

export const oidcProvider: ResourceType = {
  properties: ['Url', 'ClientIdList', 'ThumbprintList', 'Tags'],
  required: ['Url'],
  immutable: ['Url'],
  needsCapability: false,
  create: async (actor, properties, claim) => {
    const url = requiredString(properties, 'Url');
    // Claimed before it is made, as seen at AWS: a duplicate's rollback deletes the live provider of the other stack.
    claim(iamArn(actor, `oidc-provider/${hostAndPath(url)}`));
    const provider = await createProvider(actor, {
      url,
      clientIds: strings(properties, 'ClientIdList'),
      thumbprints: strings(properties, 'ThumbprintList'),
      tags: tagsOf(properties),
    });
    return { physicalId: provider.arn, attributes: { Arn: provider.arn } };
  },
  update: (actor, arn, before, after) => {
    const [old, wanted] = [strings(before, 'ClientIdList'), strings(after, 'ClientIdList')];
    for (const clientId of wanted.filter((one) => !old.includes(one))) addClientId(actor, arn, clientId);
    for (const clientId of old.filter((one) => !wanted.includes(one))) removeClientId(actor, arn, clientId);
    updateThumbprints(actor, arn, strings(after, 'ThumbprintList'));
    requireProvider(actor, arn, 'iam:TagOpenIDConnectProvider').tags = tagsOf(after);
    return { physicalId: arn, attributes: { Arn: arn } };
  },
  delete: (actor, arn) => deleteProvider(actor, arn),
};
