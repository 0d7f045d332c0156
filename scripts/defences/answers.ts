// What the command reads of whoever answers it.
import { type Defence, provenBy } from './defence.ts';

const HANDED = 'test/agent/handed.test.ts';
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
  ...provenBy(HANDED, 'what a proxy answers in place of the service decides nothing: what lives is given', [
    {
      name: 'answers.proxy',
      promise: 'a session that lives is given while a proxy answers in place of the service',
      file: 'src/cli/handed.ts',
      find: "code === 'unexpected_answer' ? undefined : answered.status",
      replace: 'answered.status',
    },
    {
      name: 'answers.proxy-json',
      promise: 'the same where the proxy answers in JSON, with an error or a code',
      file: 'src/cli/answer.ts',
      find: "typeof code === 'string' && type === `urn:countersign:problem:${code}` ? code : undefined",
      replace: "typeof code === 'string' && type !== '' ? code : undefined",
    },
  ]),
  ...provenBy(HANDED, 'at the token endpoint, too; what that itself says is a decision', [
    {
      name: 'answers.proxy-oauth',
      promise: 'the same where the proxy answers in place of the token endpoint',
      file: 'src/cli/answer.ts',
      find: 'Object.hasOwn(OAUTH_ERRORS, error) && ',
      replace: '',
    },
  ]),
  ...provenBy(HANDED, 'a success without a session in it is none: nothing of it is handed on', [
    {
      name: 'answers.whole-sessions',
      promise: 'an answer without a whole session, or without its end, is not handed on',
      file: 'src/cli/handed.ts',
      find: 'if (areCredentials(credentials)) return credentials;',
      replace: 'if (areCredentials(credentials) || credentials) return credentials as Credentials;',
    },
  ]),
];
