// What the command reads of whoever answers it.
import { type Defence, provenBy } from './defence.ts';

const BOUNDED = 'test/cli/bounded.test.ts';
const bounded = 'src/cli/bounded.ts';

export const answers: Defence[] = [
  ...provenBy(BOUNDED, 'of the service, over TCP and over its socket', [
    {
      name: 'answers.bounded',
      promise: 'an answer without an end is not read without one',
      file: bounded,
      find: 'if (size > LARGEST_ANSWER)',
      replace: 'if (size > Number.MAX_SAFE_INTEGER)',
    },
  ]),
  ...provenBy(BOUNDED, 'of the company, at each step of a sign-in', [
    {
      name: 'answers.issuer',
      promise: "a company's issuer is read within the same bounds",
      file: 'src/cli/login/company.ts',
      find: ', [openid.customFetch]: ask',
      replace: '',
    },
  ]),
];
