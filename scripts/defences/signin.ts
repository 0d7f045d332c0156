// A link to the console: where it may lead, and which way the secrets behind it go.
import { type Defence, provenBy } from './defence.ts';

const SIGNIN = 'test/cli/signin.test.ts';
const signinFile = 'src/cli/signin.ts';

export const signin: Defence[] = [
  ...provenBy(SIGNIN, 'a destination is a page of the console, and of its partition', [
    {
      name: 'signin.destination',
      promise: 'a sign-in link leads to the AWS console and nowhere else',
      file: signinFile,
      find: 'hosts.some((one) => isConsole(url.hostname, one))',
      replace: 'true',
    },
    {
      name: 'signin.destination-user',
      promise: 'no user, password or port hides another page in it',
      file: signinFile,
      find: "`${url.username}${url.password}${url.port}` === '' &&",
      replace: '',
    },
  ]),
  ...provenBy(
    SIGNIN,
    'the secrets go in the body of a POST; the link alone is on stdout, what to know of it on stderr',
    [
      {
        name: 'signin.body',
        promise: 'session credentials are in no URL',
        file: signinFile,
        find: "send({ method: 'POST', url: endpoint, headers, body: form.toString() })",
        replace: "send({ method: 'POST', url: `${endpoint}?${form.toString()}`, headers, body: form.toString() })",
      },
    ],
  ),
  ...provenBy(SIGNIN, 'a fault names its step, and shows nothing that was sent', [
    {
      name: 'signin.silent',
      promise: 'what the sign-in endpoint answers is in no error',
      file: signinFile,
      find: 'answered ${answer.status}, not with a sign-in token.',
      replace: 'answered ${answer.status}, not with a sign-in token: ${answer.text}',
    },
  ]),
];
