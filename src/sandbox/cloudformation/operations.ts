// The operations of CloudFormation that the sandbox answers, in the wire format of API version 2010-05-15.
import type { Service } from '../service.ts';
import { changeSetOperations } from './change-sets.ts';
import { describeOperations } from './describe.ts';
import { stackOperations } from './stacks.ts';

export const cloudformation: Service = {
  name: 'cloudformation',
  version: '2010-05-15',
  namespace: 'http://cloudformation.amazonaws.com/doc/2010-05-15/',
  signed: { ...stackOperations, ...describeOperations, ...changeSetOperations },
  unsigned: {},
};
