// A Kubernetes cluster as a process: its API server makes the tokens of its pods, its keys rotate, and it is reached or not.
import type { Test } from 'tap';
import type { ClusterReply, ClusterSettings } from './cluster-process.ts';
import { keepShown } from './known-secrets.ts';
import type { StandInKey } from './stand-in-issuer.ts';
import { forkStandIn } from './stand-in-process.ts';

export interface Cluster {
  /** Its `iss`. */
  issuer: string;
  /** Where its API server is. */
  url: string;
  /** From here on it publishes these keys, and this one signs. */
  rotate(published: StandInKey[], signing: StandInKey): Promise<void>;
  /** `kubectl get --raw`. */
  get(path: string): Promise<unknown>;
  /** `kubectl create token`, as the kubelet gets it for a pod. @param account its namespace and name */
  tokenFor(account: string, audience: string): Promise<string>;
  /** Its `metadata.uid`. @param account as above, made where there is none */
  uidOf(account: string): Promise<string>;
  /** Makes it anew, under its name. */
  remake(account: string): Promise<void>;
  /** Methods and paths, in the order they were asked for. */
  asked(): Promise<string[]>;
}

/** @param issuer an `iss` by which nobody reaches it; where it listens unless given */
export async function startCluster(t: Test, key: StandInKey, issuer?: string): Promise<Cluster> {
  const tell = forkStandIn<ClusterSettings, ClusterReply>(t, 'cluster-process.ts');
  let settings: ClusterSettings;
  const rotate = (published: StandInKey[], { alg, kid, privateKey }: StandInKey): Promise<ClusterReply> => {
    const signing = { ...privateKey.export({ format: 'jwk' }), alg, kid } as ClusterSettings['signing'];
    settings = { issuer, published: published.map(({ jwk }) => jwk), signing };
    return tell(settings);
  };
  const first = await rotate([key], key);
  const call = async (method: string, path: string, body?: object): Promise<unknown> => {
    const response = await fetch(`${first.url}${path}`, { method, ...(body ? { body: JSON.stringify(body) } : {}) });
    const text = await response.text();
    keepShown('of a cluster', text);
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status}`);
    return JSON.parse(text);
  };
  const pathOf = (account: string): string => `/api/v1/namespaces/${account.replace('/', '/serviceaccounts/')}`;
  return {
    ...{ url: first.url, issuer: first.issuer },
    rotate: async (published, signing) => void (await rotate(published, signing)),
    get: (path) => call('GET', path),
    tokenFor: async (account, audience) => {
      const spec = { audiences: [audience], expirationSeconds: 600 };
      const made = await call('POST', `${pathOf(account)}/token`, { kind: 'TokenRequest', spec });
      return (made as { status: { token: string } }).status.token;
    },
    uidOf: async (account) => ((await call('GET', pathOf(account))) as { metadata: { uid: string } }).metadata.uid,
    remake: async (account) => void (await call('DELETE', pathOf(account))),
    asked: async () => (await tell(settings)).asked,
  };
}
