// Running it: what the command shows of a configuration, what a shell evaluates, what the doctor passes over.
import { type Defence, provenBy } from './defence.ts';

const CHECK = 'test/cli/config-check.test.ts';
const DOCTOR = 'test/cli/doctor.test.ts';
const effective = 'src/cli/effective.ts';

export const running: Defence[] = [
  ...provenBy(CHECK, 'no secret: passwords are masked, and of a file the path alone', [
    {
      name: 'configuration.password',
      promise: 'a password in a URL is not shown',
      file: effective,
      find: 'if (url.password) url.password = MASK;',
      replace: '',
    },
    {
      name: 'configuration.parameter',
      promise: 'a password in a parameter of a URL is not shown',
      file: effective,
      find: 'if (SECRET_PARAMETER.test(name)) url.searchParams.set(name, MASK);',
      replace: ';',
    },
    {
      name: 'configuration.no-url',
      promise: 'of a secret that is no URL nothing is shown',
      file: effective,
      find: '(secret ? MASK : value)',
      replace: 'value',
    },
  ]),
  ...provenBy(DOCTOR, 'a check that hangs or throws takes nothing from the others', [
    {
      name: 'doctor.throws',
      promise: 'a check that throws is a finding, and the others are still said',
      file: 'src/cli/doctor/run.ts',
      find: 'findings: [toFinding(code, error)]',
      replace: 'findings: []',
    },
  ]),
  ...provenBy(DOCTOR, 'on the host, all is well: everything looked at, code 0', [
    {
      name: 'doctor.kek-file',
      promise: 'a key-encryption key that everybody may read is a failure',
      file: 'src/cli/doctor/host.ts',
      find: "stats.mode & 0o007 ? 'can be read by everybody' : undefined",
      replace: 'undefined',
    },
  ]),
  ...provenBy('test/issuers/drill.test.ts', 'the doctor finds no fault with what a drill leaves behind', [
    {
      name: 'doctor.retired',
      promise: 'a ring whose issuer is over is no fault: nobody is used to failures of the doctor',
      file: 'src/cli/doctor/keys.ts',
      find: ' && !retired',
      replace: '',
    },
  ]),
];
