// The command: what outlives its token and an outage, and which of its files stay.
import { type Defence, provenBy } from './defence.ts';

const OUTLIVING = 'test/cli/outliving.test.ts';

export const command: Defence[] = [
  ...provenBy(OUTLIVING, 'a token that ends while a command waits is got anew', [
    {
      name: 'command.token-anew',
      promise: 'who waits for days is not ended by the end of a token, nor by the revocation of the key that signed it',
      file: 'src/cli/renewed.ts',
      find: 'isRefused(error) && !renewed',
      replace: 'isRefused(error) && !renewed && isBusy(error)',
    },
  ]),
  ...provenBy(OUTLIVING, 'audit --follow: through an outage and the end of its token, every row once', [
    {
      name: 'command.outage',
      promise: 'who follows the audit log loses no row to an outage',
      file: 'src/cli/patience.ts',
      find: '!away || now() >= until',
      replace: '!away || now() >= 0',
    },
  ]),
  ...provenBy('test/cli/clients.test.ts', 'a key that was refused leaves no file; one whose fate is unknown does', [
    {
      name: 'command.new-key',
      promise: 'the private half of a key that may be registered is not taken away',
      file: 'src/cli/client.ts',
      find: 'error instanceof Failure && isRefused(error)',
      replace: 'error instanceof Failure && isRefused',
    },
  ]),
  ...provenBy('test/cli/grants.test.ts', 'what is wrong with its limits is said under it, and is in the JSON', [
    {
      name: 'command.grant-warnings',
      promise: 'whoever gives a grant reads what AWS or its SDKs make of its limits',
      file: 'src/cli/grant.ts',
      find: ' + warned(paint, warnings)',
      replace: " + warned(paint, []) + (warnings ? '' : '')",
    },
    {
      name: 'command.connection-warnings',
      promise: 'and of those of a connection',
      file: 'src/cli/connection-shape.ts',
      find: ' + warned(paint, warnings)',
      replace: " + warned(paint, []) + (warnings ? '' : '')",
    },
  ]),
  ...provenBy('test/cli/process.test.ts', 'a private key is written whole, or there is no file', [
    {
      name: 'command.whole-key',
      promise: 'a full disk leaves no half of a private key',
      file: 'src/cli/private-file.ts',
      find: 'rmSync(file, { force: true });',
      replace: 'void file;',
    },
  ]),
];
