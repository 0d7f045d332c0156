// The API server of a stand-in cluster, as far as its pods' tokens go: accounts, TokenRequest, keys. Run by cluster.ts.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { importJWK, type JWK, SignJWT } from 'jose';

/** What cluster.ts sends, as flags of kube-apiserver say it. */
export interface ClusterSettings {
  /** `--service-account-issuer`; where it listens, unless given. */
  issuer?: string | undefined;
  /** `--service-account-key-file`, public halves. */
  published: object[];
  /** `--service-account-signing-key-file`. */
  signing: JWK & { alg: string; kid: string };
}

export interface ClusterReply {
  url: string;
  issuer: string;
  /** Methods and paths, in the order they were asked for. */
  asked: string[];
}

interface Reply {
  status: number;
  type?: string;
  body: object;
}

const ACCOUNT = /^\/api\/v1\/namespaces\/([^/]+)\/serviceaccounts\/([^/]+)(\/token)?$/;

let settings: ClusterSettings;
let url = '';
const asked: string[] = [];
/** Of accounts, by namespace and name: made when first asked for, as often as they are deleted. */
const uids = new Map<string, string>();
const issuerOf = (): string => settings.issuer ?? url;

function uidOf(account: string): string {
  const uid = uids.get(account) ?? randomUUID();
  uids.set(account, uid);
  return uid;
}

/** `audiences` and `expirationSeconds` of a TokenRequest's spec. */
async function makeToken(namespace: string, name: string, spec: { audiences: string[]; expirationSeconds: number }) {
  const now = Math.floor(Date.now() / 1000);
  const { alg, kid } = settings.signing;
  const serviceaccount = { name, uid: uidOf(`${namespace}/${name}`) };
  const claims = {
    ...{ iss: issuerOf(), sub: `system:serviceaccount:${namespace}:${name}`, aud: spec.audiences, jti: randomUUID() },
    ...{ iat: now, nbf: now, exp: now + spec.expirationSeconds, 'kubernetes.io': { namespace, serviceaccount } },
  };
  // As Kubernetes writes it, without a typ.
  return await new SignJWT(claims).setProtectedHeader({ alg, kid }).sign(await importJWK(settings.signing, alg));
}

async function readBody(incoming: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of incoming.setEncoding('utf8')) body += chunk;
  return body;
}

async function answer(incoming: IncomingMessage): Promise<Reply> {
  const path = incoming.url as string;
  if (path === '/.well-known/openid-configuration')
    return { status: 200, body: { issuer: issuerOf(), jwks_uri: `${issuerOf()}/openid/v1/jwks` } };
  if (path === '/openid/v1/jwks')
    return { status: 200, type: 'application/jwk-set+json', body: { keys: settings.published } };
  const [, namespace = '', name = '', token] = ACCOUNT.exec(path) ?? [];
  if (name === '') return { status: 404, body: {} };
  if (token) {
    const { spec } = JSON.parse(await readBody(incoming));
    return { status: 201, body: { kind: 'TokenRequest', status: { token: await makeToken(namespace, name, spec) } } };
  }
  if (incoming.method === 'DELETE') uids.delete(`${namespace}/${name}`);
  return { status: 200, body: { metadata: { namespace, name, uid: uidOf(`${namespace}/${name}`) } } };
}

const server = createServer(async (incoming, outgoing) => {
  asked.push(`${incoming.method} ${incoming.url}`);
  const { status, type = 'application/json', body } = await answer(incoming);
  outgoing.writeHead(status, { 'content-type': type }).end(JSON.stringify(body));
});
await once(server.listen(0, '127.0.0.1'), 'listening');
url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

process.on('message', (message: ClusterSettings) => {
  settings = message;
  process.send?.({ url, issuer: issuerOf(), asked } satisfies ClusterReply);
});
process.on('disconnect', () => process.exit(0));
