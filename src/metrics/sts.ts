// STS as the rooms of the service are given it: the same calls, timed and counted by outcome.
import type { Clock } from '../clock.ts';
import type { AwsSts } from '../clouds/aws.ts';
import { StsError } from '../clouds/aws-errors.ts';
import type { Count, StsOperation } from './count.ts';

export function measureSts(sts: AwsSts, { count, clock }: { count: Pick<Count, 'sts'>; clock: Clock }): AwsSts {
  async function measured<T>(operation: StsOperation, call: () => Promise<T>): Promise<T> {
    const began = clock.monotonic();
    const seconds = (): number => (clock.monotonic() - began) / 1000;
    try {
      const answer = await call();
      count.sts(operation, 'ok', seconds());
      return answer;
    } catch (error) {
      count.sts(operation, error instanceof StsError ? error.side : 'ours', seconds());
      throw error;
    }
  }
  return {
    assumeRoleWithWebIdentity: (input) => measured('assume_role', () => sts.assumeRoleWithWebIdentity(input)),
    getCallerIdentity: (input) => measured('get_caller_identity', () => sts.getCallerIdentity(input)),
    close: () => sts.close(),
  };
}
