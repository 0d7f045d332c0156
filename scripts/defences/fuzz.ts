// What fuzzing from openapi.yaml must notice, whichever operation loses it.
import { type Defence, provenBy } from './defence.ts';

export const fuzz: Defence[] = provenBy('test/postgres/fuzz.test.ts', 'every operation, valid and broken', [
  {
    name: 'fuzz.scopes',
    promise: 'no operation is carried out without its scope',
    file: 'src/http/caller.ts',
    find: 'if (missing.length === 0) return;',
    replace: 'return;',
  },
  {
    name: 'fuzz.hint',
    promise: 'every refusal says what to do',
    file: 'src/http/problems.ts',
    find: '...(problem.options.hint === undefined ? {} : { hint: problem.options.hint }),',
    replace: '',
  },
]).map((defence): Defence => ({ ...defence, engine: 'postgresql' }));
