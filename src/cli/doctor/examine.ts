// What there is to look at from here, and with what: a URL, a token, the host's own environment, or issuers alone.
import { existsSync } from 'node:fs';
import { type Access, obtainAccess } from '../access.ts';
import type { Api } from '../api.ts';
import type { Call } from '../call.ts';
import { usage } from '../failure.ts';
import { baseUrl } from '../http.ts';
import { discover } from '../remote.ts';
import { findSource } from '../source.ts';
import { type Check, ok, type Report, type Unseen, writeReport } from './findings.ts';
import { checkConfiguration, checkDatabase, checkKekFiles } from './host.ts';
import { checkIssuer, type Issuer } from './issuers.ts';
import { activeKids, checkKeks, checkKmsKeks, checkPolicy, checkRings, listSomeRings } from './keys.ts';
import { runChecks } from './run.ts';
import { checkAlive, checkCertificate, checkClock, checkReadiness } from './service.ts';
import { checkOwnLook, checkSeal, readStanding } from './standing.ts';
import { checkTemplate } from './template.ts';

export interface DoctorOptions {
  issuer?: string[];
  connectionIssuers: number;
  templateUrl?: string;
}

const UNSEEN = {
  service: {
    code: 'service',
    detail: 'The service itself: nothing says where it is.',
    hint: 'Set COUNTERSIGN_URL, or run this on the host with the environment of the service.',
  },
  api: {
    code: 'api',
    detail: 'Seal, the look of the service at itself, signing keys and their policy: nothing says who is asking.',
    hint: 'Set COUNTERSIGN_CLIENT_ID and COUNTERSIGN_PRIVATE_KEY_FILE, sign in (countersign login), or run this on the host. keys:read is enough.',
  },
  host: {
    code: 'host',
    detail: 'Configuration, key-encryption key, database role, settings and migrations: this is not the host.',
    hint: 'Run this on the host, with the environment of the service.',
  },
  template: {
    code: 'template',
    detail: 'The published template: nothing says where it is.',
    hint: 'Give --template-url, or run this on the host with TEMPLATE_URL.',
  },
  issuers: {
    code: 'issuers',
    detail: 'Discovery and JWKS from outside: no issuer is known.',
    hint: 'Give --issuer with the URL that clouds trust.',
  },
} as const satisfies Record<string, Unseen>;

interface Way {
  /** Internal URL, where something says so. */
  url?: string | undefined;
  /** How to get a token; undefined where nobody asks. */
  access?: (() => Promise<Access>) | undefined;
  host: boolean;
}

function findWay(call: Call<DoctorOptions>): Way {
  const { env } = call.outside;
  const { options } = call;
  const host = Boolean(env.ISSUER_URL);
  const named = options.url ?? env.COUNTERSIGN_URL;
  const own = env.INTERNAL_URL ?? (env.ISSUER_URL?.startsWith('http:') ? env.ISSUER_URL : undefined);
  const url = named ? baseUrl(named, options.url ? '--url' : 'COUNTERSIGN_URL') : own?.replace(/\/+$/, '');
  // Half of an identity is a mistake of the call, and said before anything is asked.
  const someone = findSource(env, options);
  const onSocket = !named && (host || env.SOCKET_PATH || existsSync(env.DATA_DIR || '.data'));
  const access =
    someone || onSocket
      ? () => obtainAccess(call.outside, { ...options, reason: 'countersign doctor' }, { for: 'api', scopes: [] })
      : undefined;
  return { url, access, host };
}

function checkToken(access: () => Promise<Access>, keep: (access: Access) => Api): Check {
  return {
    code: 'token',
    look: async () => {
      const api = keep(await access());
      const { id, kind } = (await api.get('/v1/whoami', {}, 10_000)) as { id?: string; kind?: string };
      return [ok('token', `The API answers, and takes you for ${kind ?? 'a caller'} ${id ?? ''}.`.replace(' .', '.'))];
    },
  };
}

async function hostChecks(call: Call<DoctorOptions>): Promise<Check[]> {
  const { env } = call.outside;
  const { readConfig } = await import('../../config.ts');
  const checks = [checkConfiguration(env)];
  try {
    const config = readConfig(env);
    const database = checkDatabase(config);
    const kms = checkKmsKeks(config);
    return [...checks, checkKekFiles(config), ...(kms ? [kms] : []), ...(database ? [database] : [])];
  } catch {
    // What is wrong with it is what the first check says.
    return checks;
  }
}

/** Everything that can be looked at from here. */
export async function examine(call: Call<DoctorOptions>): Promise<Report> {
  const { options, outside } = call;
  const way = findWay(call);
  const named = options.issuer ?? [];
  if (!way.url && !way.access && !way.host && named.length === 0)
    throw usage('There is nothing to look at.', `${UNSEEN.service.hint} ${UNSEEN.issuers.hint}`);

  let api: Api | undefined;
  let url = way.url;
  const first = await runChecks(
    way.access
      ? [
          checkToken(way.access, (access) => {
            url ??= access.apiUrl;
            api = call.apiWith(access);
            return api;
          }),
        ]
      : [],
  );

  const rings = api && once(() => listSomeRings(api as Api));
  const standing = api && once(() => readStanding(api as Api));
  const issuers = await listIssuers({ named, env: outside.env, url, rings, most: options.connectionIssuers });
  const templateUrl = options.templateUrl ?? outside.env.TEMPLATE_URL;
  const checks: Check[] = [
    ...issuers.map((issuer) => checkIssuer(issuer)),
    ...(url ? [checkAlive(url), ...checkReadiness(url), checkClock(url, outside.now)] : []),
    ...(url?.startsWith('https:') ? [checkCertificate(url, outside.now)] : []),
    ...(api && rings ? [checkRings(rings, outside.now), checkPolicy(api, issuers[0]?.url), checkKeks(api)] : []),
    ...(standing ? [checkSeal(standing), checkOwnLook(standing, outside.now)] : []),
    ...(templateUrl ? [checkTemplate(templateUrl, api)] : []),
    ...(way.host ? await hostChecks(call) : []),
  ];
  const ran = await runChecks(checks);
  const unseen = [
    ...(url ? [] : [UNSEEN.service]),
    ...(way.access ? [] : [UNSEEN.api]),
    ...(issuers.length > 0 ? [] : [UNSEEN.issuers]),
    ...(templateUrl ? [] : [UNSEEN.template]),
    ...(way.host ? [] : [UNSEEN.host]),
    ...first.unseen,
    ...ran.unseen,
  ];
  return writeReport([...first.findings, ...ran.findings], unseen);
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}

/** Those named, the platform's, and some of connections: of the API where it tells, else of discovery. */
async function listIssuers(from: {
  named: readonly string[];
  env: Call<DoctorOptions>['outside']['env'];
  url: string | undefined;
  rings: (() => ReturnType<typeof listSomeRings>) | undefined;
  most: number;
}): Promise<Issuer[]> {
  const found = new Map<string, Issuer>();
  const add = (issuer: Issuer): void => {
    const url = issuer.url.replace(/\/+$/, '');
    if (!found.get(url)?.signing) found.set(url, { ...issuer, url });
  };
  for (const url of from.named) add({ url });
  if (from.env.ISSUER_URL) add({ url: from.env.ISSUER_URL });
  // What these calls meet is said by the checks of the service and of the keys.
  const rings = (await from.rings?.().catch(() => [])) ?? [];
  const platform = rings.filter(({ issuer }) => issuer === 'platform');
  const others = rings.filter(({ issuer }) => issuer !== 'platform').slice(0, from.most);
  for (const ring of [...platform, ...others]) add({ url: ring.issuer_url, signing: activeKids(ring) });
  if (platform.length === 0 && from.url) {
    const discovered = await discover(from.url).catch(() => undefined);
    if (discovered) add({ url: discovered.issuer });
  }
  return [...found.values()];
}
