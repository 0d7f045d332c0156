// The thread that makes RSA keys, one for each message, at the lowest priority.
import { generateKeyPairSync } from 'node:crypto';
import { constants, setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';

// On Linux a thread has a priority of its own; elsewhere this would be that of the whole process.
if (process.platform === 'linux') setPriority(constants.priority.PRIORITY_LOW);

parentPort?.on('message', () => {
  // Nobody else waits in this thread.
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 65537 });
  parentPort?.postMessage(privateKey);
});
