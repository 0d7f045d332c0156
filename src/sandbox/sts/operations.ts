// The operations of STS that the sandbox answers.
import { AwsError } from '../wire/error.ts';
import type { Service } from '../service.ts';
import { assumeRoleWithWebIdentity } from './assume-role-with-web-identity.ts';

export const sts: Service = {
  name: 'sts',
  version: '2011-06-15',
  namespace: 'https://sts.amazonaws.com/doc/2011-06-15/',
  unsigned: {
    AssumeRoleWithWebIdentity: (world, form, sourceIp) => {
      // Only for Amazon's and Facebook's OAuth tokens, which the sandbox does not take.
      if (form.has('ProviderId')) {
        throw new AwsError(
          'AccessDenied',
          'Unrecognized OAuth provider. Do not include a provider parameter when submitting OpenIDConnect ID tokens',
          403,
        );
      }
      return assumeRoleWithWebIdentity(world, form, sourceIp);
    },
  },
  signed: {
    // Needs no permission, and no policy can deny it.
    GetCallerIdentity: (actor) => ({ Arn: actor.arn, UserId: actor.userId, Account: actor.account.accountId }),
  },
};
