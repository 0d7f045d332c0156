// The operations of IAM that the sandbox answers, in the wire format of API version 2010-05-08.
import type { Operation, Service } from '../service.ts';
import { policyOperations } from './policy-operations.ts';
import { providerOperations } from './provider-operations.ts';
import { roleOperations } from './role-operations.ts';

const signed: Record<string, Operation> = { ...providerOperations, ...roleOperations, ...policyOperations };

export const iam: Service = {
  name: 'iam',
  version: '2010-05-08',
  namespace: 'https://iam.amazonaws.com/doc/2010-05-08/',
  signed,
  unsigned: {},
};
