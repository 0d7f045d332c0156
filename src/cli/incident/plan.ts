// What an incident's steps are before anything is done: what each does, what it means for callers, and how it is done.
import type { Api } from '../api.ts';
import type { Question } from './facts.ts';

/** The service keeps sessions in memory, by the connection's generation: another state is another generation. */
export const FLUSH =
  'Once a role has the policy, `countersign connection pause` and `countersign connection resume` its connection: a session from before, which AWS then denies, is not handed out again. It is verified anew first, which takes seconds.';

export interface Done {
  /** RFC 3339. */
  at: string;
  /** One sentence. */
  what: string;
  /** What the service answered. */
  answer?: unknown;
  /** Kids, workloads, connections: what this step took out of use. */
  kids?: string[];
  /** A verifier that holds an older JWKS may accept forgeries until then. */
  forgeries_until?: string | undefined;
  /** Callers may be refused until then. */
  outage_until?: string | undefined;
}

export interface Step {
  /** An imperative sentence. */
  title: string;
  /** What it means, a sentence each. */
  means: string[];
  /** Repeated, it does what is left, and says so. @param progress for a person */
  run(api: Api, progress: (text: string) => void): Promise<Done>;
}

export interface Plan {
  /** What leaked, and what whoever has it can do. */
  leaked: string[];
  steps: Step[];
  /** Where callers may be refused: until when, in words. */
  outage?: string | undefined;
  /** What people do besides, outside this service. */
  besides: string[];
  /** What is read from the audit log for the report; nothing where nothing can have been used. */
  question?: Question | undefined;
  /** Whose owners have something to do: where sessions were made, every connection, one, nobody. */
  notices: 'used' | 'every' | 'none' | { connection: string };
  /** Whether the report knows every session of ours in these accounts: another one is then somebody else's. */
  complete?: boolean | undefined;
  /** Where one session alone leaked: `AROA…:name`, as its account knows it. */
  userId?: string | undefined;
  /** When it was over, where somebody knows better than the steps: AWS itself refuses the key since. */
  proof?(api: Api): Promise<string | undefined>;
}

export interface Incident {
  /** `INC-…` */
  id: string;
  kind: string;
  /** As people gave it. */
  reason: string;
  /** Since when it may be known; RFC 3339. */
  since: string;
  /** What was there before this time is what leaked; RFC 3339. */
  before: string;
}
