// The service as anybody on the internal network sees it: alive, ready for what, its clock, its certificate.
import { getCACertificates } from 'node:tls';
import { createAsk } from '../../reach/stranger.ts';
import { renewBy } from '../../reach/renewal.ts';
import { send } from '../http.ts';
import { type Check, type Finding, ok } from './findings.ts';

const CLOCK_WARNING_MS = 2_000;
/** Beyond this, assertions that this machine signs are refused. */
const CLOCK_FAILURE_MS = 30_000;

const CAPABILITIES = {
  documents: 'Discovery and JWKS can be served.',
  tokens: 'Tokens can be signed and recorded.',
  broker: 'Credentials can be handed out.',
  admin: 'The API can be used.',
};

export function checkAlive(url: string): Check {
  return {
    code: 'service_reached',
    look: async () => {
      const { status } = await send({ method: 'GET', url: `${url}/livez`, deadline: 5_000 });
      if (status === 200) return [ok('service_reached', 'The service answers.', url)];
      return [
        {
          ...{ code: 'service_reached', severity: 'failure', subject: url },
          detail: `/livez answers ${status}, not 200.`,
          hint: 'Is this the internal URL of the service, and nothing else in front of it?',
        },
      ];
    },
  };
}

export function checkReadiness(url: string): Check[] {
  return Object.entries(CAPABILITIES).map(([capability, sentence]) => ({
    code: `ready_${capability}`,
    look: async (): Promise<Finding[]> => {
      const subject = `${url}/readyz?capability=${capability}`;
      const { status, text } = await send({ method: 'GET', url: subject, deadline: 10_000 });
      if (status === 200) return [ok(`ready_${capability}`, sentence, subject)];
      const { reason } = readObject(text) as { reason?: unknown };
      return [
        {
          ...{ code: `ready_${capability}`, severity: 'failure', subject },
          detail: `Not ready for ${capability}: ${typeof reason === 'string' ? reason : `HTTP ${status}`}.`,
          hint: 'docs/operators.md says under Health what each capability needs; the log of the service has the cause.',
        },
      ];
    },
  }));
}

function readObject(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

/** The service's clock from its Date header, whose unit is a second, less half of the round trip. */
export function checkClock(url: string, now: () => number): Check {
  return {
    code: 'clock',
    look: async () => {
      const sent = now();
      const { date } = await send({ method: 'GET', url: `${url}/livez`, deadline: 5_000 });
      const received = now();
      const theirs = date === undefined ? Number.NaN : Date.parse(date);
      if (Number.isNaN(theirs))
        return [
          {
            ...{ code: 'clock', severity: 'warning', subject: url, detail: 'The answer has no Date header.' },
            hint: 'Let what stands in front pass it on: without it, clocks cannot be compared.',
          },
        ];
      const offset = theirs + 500 - (sent + received) / 2;
      const error = 500 + (received - sent) / 2;
      const apart = Math.max(0, Math.abs(offset) - error);
      if (apart <= CLOCK_WARNING_MS) return [ok('clock', "This machine's clock and the service's agree.", url)];
      return [
        {
          ...{ code: 'clock', severity: apart > CLOCK_FAILURE_MS ? 'failure' : 'warning', subject: url },
          detail: `The service's clock is ${Math.round(Math.abs(offset) / 1000)} s ${offset > 0 ? 'ahead of' : 'behind'} this machine's.`,
          hint: 'Run NTP on both: tokens and client assertions live by the clock.',
        },
      ];
    },
  };
}

/** The end of the internal certificate. Trusts what this Node trusts, NODE_EXTRA_CA_CERTS among it. */
export function checkCertificate(url: string, now: () => number): Check {
  return {
    code: 'internal_certificate',
    look: async () => {
      const ask = createAsk(getCACertificates('default'));
      const { certificate } = await ask(new URL(`${url}/livez`));
      if (!certificate) return [];
      const end = new Date(certificate.until).toISOString();
      if (now() < renewBy(certificate))
        return [ok('internal_certificate', `The internal certificate is good until ${end}.`, url)];
      return [
        {
          ...{ code: 'internal_certificate', severity: 'warning', subject: url },
          detail: `The internal certificate ends at ${end}.`,
          hint: 'Renew it, and look why its renewal did not run. The service reads its files again by itself.',
        },
      ];
    },
  };
}
