// A company's issuer as a process: what stands in for Okta, Entra, Keycloak and their like. Its people have any password.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { Test } from 'tap';
import { makeCertificate } from './certificates.ts';
import type { CompanySettings } from './company-process.ts';
import { keepShown } from './known-secrets.ts';
import { tempDir } from './service.ts';
import { createStandInKey, type StandInKey, warm } from './stand-in-issuer.ts';
import { forkStandIn } from './stand-in-process.ts';

/** The public client that is registered for the command, and another company's tool like it. */
export const COMMAND = 'countersign-command';
export const WIKI = 'wiki';
const JOB = { client_id: 'billing-job', client_secret: 'a-secret-of-the-stand-in-company' };

const native = {
  ...{ application_type: 'native', token_endpoint_auth_method: 'none', response_types: ['code'] },
  grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
  redirect_uris: ['http://127.0.0.1/callback'],
} as const;

export interface Company {
  url: string;
  /** The file of the authority that its certificate is of, for NODE_EXTRA_CA_CERTS. */
  caFile: string;
  /** The first signs. */
  keys: StandInKey[];
  /** Publishes these keys from now on. */
  rotate(keys: StandInKey[]): Promise<void>;
  /** What its job gets for itself (client_credentials): an access token for this resource. */
  jobToken(resource: string): Promise<string>;
}

export interface CompanyOptions {
  idTokenSeconds?: number;
  /** Of the command's client. */
  client?: object;
}

/** Of every company of this process, which trusts it from here on as it would one of NODE_EXTRA_CA_CERTS. */
const authority = makeCertificate({ commonName: 'an authority of companies' });
setDefaultCACertificates([...getCACertificates('default'), authority.cert]);

export async function startCompany(t: Test, options: CompanyOptions = {}): Promise<Company> {
  const { idTokenSeconds = 3600, client = {} } = options;
  const tls = makeCertificate({ commonName: '127.0.0.1', names: ['127.0.0.1'], issuer: authority });
  const caFile = join(tempDir(t), 'authority.pem');
  writeFileSync(caFile, authority.cert);

  const tell = forkStandIn<CompanySettings, { url: string }>(t, 'company-process.ts');
  const clients: CompanySettings['clients'] = [
    { ...native, ...client, client_id: COMMAND } as object as { client_id: string },
    { ...native, client_id: WIKI } as object as { client_id: string },
    { ...JOB, grant_types: ['client_credentials'], redirect_uris: [], response_types: [] },
  ];
  const company: Company = {
    ...{ url: '', caFile, keys: [] },
    rotate: async (keys) => {
      const jwks = { keys: keys.map((key) => ({ ...key.jwk, ...key.privateKey.export({ format: 'jwk' }) })) };
      const { url } = await tell({ tls: { cert: tls.cert, key: tls.key }, jwks, clients, idTokenSeconds });
      company.url = url;
      company.keys = keys;
    },
    jobToken: async (resource) => {
      const basic = Buffer.from(`${JOB.client_id}:${JOB.client_secret}`).toString('base64');
      const response = await fetch(`${company.url}/token`, {
        ...{ method: 'POST', headers: { authorization: `Basic ${basic}` } },
        body: new URLSearchParams({ grant_type: 'client_credentials', resource }),
      });
      const text = await response.text();
      keepShown('of a company', text);
      if (response.status !== 200) throw new Error(`the company gives no token: ${text}`);
      return (JSON.parse(text) as { access_token: string }).access_token;
    },
  };
  await company.rotate([createStandInKey('RS256')]);
  await warm(company.url);
  return company;
}
