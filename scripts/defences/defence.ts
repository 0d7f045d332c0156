// What one defence is: the promise, where it is held, how it is taken out, and the test that then fails.

export interface Defence {
  /** `<subject>.<what>`, unique. */
  name: string;
  /** The line of THREATS.md or of the design that it keeps, in short. */
  promise: string;
  /** Relative to the project; `find` stands in it exactly once. */
  file: string;
  find: string;
  /** The same place without the defence; it must still load. */
  replace: string;
  /** Which of several alike it is, from 0; the one there is unless given. */
  occurrence?: number;
  /** Where the same defence stands more than once: all of it goes. */
  also?: { file: string; find: string; replace: string }[];
  /** The top-level test that fails without it, by file and name. */
  test: [file: string, name: string];
  /** Where only that engine shows it; PGlite unless said otherwise. */
  engine?: 'postgresql';
}

/** Defences whose tests stand in one file. */
export function provenBy(file: string, name: string, defences: Omit<Defence, 'test'>[]): Defence[] {
  return defences.map((defence) => ({ ...defence, test: [file, name] }));
}
