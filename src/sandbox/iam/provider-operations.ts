// OIDC providers on the wire.
import type { Operation } from '../service.ts';
import { authorize } from '../policy/authorize.ts';
import type { Form } from '../wire/form.ts';
import { requiredText, tagsOf, texts } from '../wire/form.ts';
import { zulu } from '../wire/xml.ts';
import { checkTags, mergeTags, renderTags } from './names.ts';
import {
  addClientId,
  createProvider,
  deleteProvider,
  hostAndPath,
  removeClientId,
  requireProvider,
  updateThumbprints,
} from './providers.ts';

const arnOf = (form: Form): string => requiredText(form, 'OpenIDConnectProviderArn');

export const providerOperations: Record<string, Operation> = {
  CreateOpenIDConnectProvider: async (actor, form) => {
    const provider = await createProvider(actor, {
      url: requiredText(form, 'Url'),
      clientIds: texts(form, 'ClientIDList'),
      thumbprints: texts(form, 'ThumbprintList'),
      tags: tagsOf(form),
    });
    return { OpenIDConnectProviderArn: provider.arn, Tags: renderTags(provider.tags) };
  },
  GetOpenIDConnectProvider: (actor, form) => {
    const provider = requireProvider(actor, arnOf(form), 'iam:GetOpenIDConnectProvider');
    return {
      Url: hostAndPath(provider.url),
      ClientIDList: provider.clientIds,
      ThumbprintList: provider.thumbprints,
      CreateDate: zulu(provider.createdAt),
      Tags: renderTags(provider.tags),
    };
  },
  ListOpenIDConnectProviders: (actor) => {
    authorize(actor, 'iam:ListOpenIDConnectProviders', '*');
    return { OpenIDConnectProviderList: [...actor.account.providers.keys()].map((arn) => ({ Arn: arn })) };
  },
  DeleteOpenIDConnectProvider: (actor, form) => deleteProvider(actor, arnOf(form)) as undefined,
  AddClientIDToOpenIDConnectProvider: (actor, form) =>
    addClientId(actor, arnOf(form), requiredText(form, 'ClientID')) as undefined,
  RemoveClientIDFromOpenIDConnectProvider: (actor, form) =>
    removeClientId(actor, arnOf(form), requiredText(form, 'ClientID')) as undefined,
  UpdateOpenIDConnectProviderThumbprint: (actor, form) =>
    updateThumbprints(actor, arnOf(form), texts(form, 'ThumbprintList')) as undefined,
  TagOpenIDConnectProvider: (actor, form) => {
    const provider = requireProvider(actor, arnOf(form), 'iam:TagOpenIDConnectProvider');
    const tags = mergeTags(provider.tags, tagsOf(form));
    checkTags(tags);
    provider.tags = tags;
    return undefined;
  },
  ListOpenIDConnectProviderTags: (actor, form) => {
    const provider = requireProvider(actor, arnOf(form), 'iam:ListOpenIDConnectProviderTags');
    return { Tags: renderTags(provider.tags), IsTruncated: false };
  },
};
