// STS as the rooms of the service are given it: the same calls, timed, counted by outcome, and a span each.
import type { Clock } from '../clock.ts';
import type { AwsSts } from '../clouds/aws.ts';
import { StsError } from '../clouds/aws-errors.ts';
import type { Tracer } from '../trace.ts';
import type { Count, StsOperation, StsOutcome } from './count.ts';

export interface MeasureDeps {
  count: Pick<Count, 'sts'>;
  clock: Clock;
  tracer: Tracer | undefined;
}

/** The caller's trace ends here: AWS is told nothing of it, since what a customer's account sees is the customer's. */
export function measureSts(sts: AwsSts, { count, clock, tracer }: MeasureDeps): AwsSts {
  async function measured<T>(operation: StsOperation, call: () => Promise<T>): Promise<T> {
    const began = clock.monotonic();
    const span = tracer?.start(`sts ${operation}`, { kind: 'client' });
    let outcome: StsOutcome = 'ok';
    try {
      return await call();
    } catch (error) {
      outcome = error instanceof StsError ? error.side : 'ours';
      throw error;
    } finally {
      count.sts(operation, outcome, (clock.monotonic() - began) / 1000);
      span?.end({ 'countersign.outcome': outcome }, outcome !== 'ok');
    }
  }
  return {
    assumeRoleWithWebIdentity: (input) => measured('assume_role', () => sts.assumeRoleWithWebIdentity(input)),
    getCallerIdentity: (input) => measured('get_caller_identity', () => sts.getCallerIdentity(input)),
    close: () => sts.close(),
  };
}
