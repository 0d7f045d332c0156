// The doctor on the side of a caller: what it reads and sends, and what it never shows.
import { type Defence, provenBy } from './defence.ts';

const CLIENTS = 'test/cli/doctor-clients.test.ts';

export const doctor: Defence[] = [
  ...provenBy(CLIENTS, '--clients: four clients, the endpoint asked as they ask it, and no secret shown', [
    {
      name: 'doctor.http',
      promise: 'a token goes nowhere by http but to this machine, and where ECS and EKS have their own',
      file: 'src/cli/doctor/caller.ts',
      find: '&& mayCarryTokens(endpoint)',
      replace: '',
    },
  ]),
  ...provenBy(CLIENTS, 'what is passed over is said, and how it is let through', [
    {
      name: 'doctor.profiles',
      promise: 'of keys in ~/.aws it keeps only that they are there',
      file: 'src/cli/doctor/clients/profiles.ts',
      find: "SECRET.test(name) ? '(set)' : value",
      replace: 'value',
    },
  ]),
];
