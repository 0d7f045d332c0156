// One moment of the model: what is committed, what is being written, what each replica knows, what verifiers may hold.
import type { RingKey } from '../../src/keys/facts.ts';
import type { KeyPolicy, PolicyVersion } from '../../src/keys/policy.ts';

export interface ModelKey extends RingKey {
  /** Activated by a revocation that accepted an outage: until then callers may be refused. */
  outageUntil?: number;
}

/** What a transaction sees. */
export interface Facts {
  keys: readonly ModelKey[];
  policies: readonly PolicyVersion[];
  heldUntil?: number | undefined;
}

export interface View {
  /** From when its age counts. */
  since: number;
  facts: Facts;
}

export interface Replica {
  view: View;
  /** A read that was sent and is not answered yet. */
  asked?: { at: number; facts: Facts } | undefined;
}

export interface Statement {
  text: string;
  /** @returns undefined where it is refused: a unique key is there already */
  write: (facts: Facts) => Facts | undefined;
}

export interface Transaction {
  text: string;
  /** The database's clock, read under the lock. */
  now: number;
  statements: readonly Statement[];
  done: number;
  /** Of the policy, not of the ring. */
  ofPolicy: boolean;
}

/** What may still happen in this run. */
export interface Left {
  rotations: number;
  revocations: number;
  policies: number;
  holds: number;
  slowReads: number;
}

export interface State {
  now: number;
  facts: Facts;
  /** When the revocation of a key was committed. */
  revoked: Readonly<Record<string, number>>;
  /** A rotation that was committed under a hold, if any. */
  rotatedUnderHold?: string | undefined;
  open: readonly Transaction[];
  replicas: readonly Replica[];
  /** By kid: until when some verifier may use a JWKS without the key. */
  lackedUntil: Readonly<Record<string, number>>;
  /** By kid: until when some token of it must verify. */
  tokensUntil: Readonly<Record<string, number>>;
  /** By kid: when it first signed. */
  signedSince: Readonly<Record<string, number>>;
  /** What was done that nobody may do. */
  broken?: string | undefined;
  left: Left;
}

export interface Setting {
  policy: KeyPolicy;
  /** What the policy may be changed to. */
  changes?: readonly KeyPolicy[];
  /** A step of the clock; milliseconds, `UNIT` unless given. */
  unit?: number;
  replicas: number;
  /** From a row's time to its commit, at most; milliseconds. The rest of e is the clocks'. */
  commitDelay: number;
  /** By how much longer a transaction may take, and is rolled back then. */
  lateness?: number;
  /** From the sending of a read to its answer, at most. */
  readDelay?: number;
  /** No time passes while something may begin or be read: what fills a set the most. */
  eager?: boolean;
  left: Partial<Left>;
}
