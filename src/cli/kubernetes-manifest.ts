// A Deployment with the agent as a sidecar: what a cluster is told, as an object.

/** How the agent in the pod proves that it is the workload. */
export interface PodIdentity {
  /** Variables of the agent. */
  env: Record<string, string>;
  volumes: { name: string; mountPath: string; source: object }[];
  /** Of the pod; the namespace's default unless given. */
  serviceAccountName?: string;
}

export interface Sidecar {
  /** Of the Deployment, a DNS label. */
  name: string;
  namespace?: string | undefined;
  image: string;
  /** Internal URL of the service. */
  url: string;
  /** Id or reference. */
  connection: string;
  /** Of the credentials endpoint, without a trailing slash. */
  port: number;
  identity: PodIdentity;
  /** A ConfigMap with the private authority of the service's certificate, as `ca.crt`. */
  caConfigMap?: string | undefined;
}

const TOKEN_FOLDER = '/run/countersign';
const TOKEN_FILE = `${TOKEN_FOLDER}/token`;
const KEY_FOLDER = '/run/secrets/countersign';
const KEY_FILE = 'private-key.pem';
const CA_FOLDER = '/run/countersign-ca';
/** Of the image, and the group that may read what is mounted. */
const UID = 10_001;

/** A private key of the workload's own, in a Secret. */
export function keyInSecret(clientId: string, secretName: string): PodIdentity {
  return {
    env: { COUNTERSIGN_CLIENT_ID: clientId, COUNTERSIGN_PRIVATE_KEY_FILE: `${KEY_FOLDER}/${KEY_FILE}` },
    volumes: [
      {
        name: 'countersign-key',
        mountPath: KEY_FOLDER,
        source: { secret: { secretName, defaultMode: 0o440, items: [{ key: KEY_FILE, path: KEY_FILE }] } },
      },
    ],
  };
}

/** The pod's service account, by a token that the kubelet renews; its audience is the service's issuer. */
export function serviceAccount(serviceAccountName: string, issuerUrl: string): PodIdentity {
  const serviceAccountToken = { path: 'token', audience: issuerUrl, expirationSeconds: 600 };
  return {
    serviceAccountName,
    env: { COUNTERSIGN_IDENTITY_TOKEN_FILE: `${KEY_FOLDER}/token` },
    volumes: [
      {
        name: 'countersign-identity',
        mountPath: KEY_FOLDER,
        source: { projected: { sources: [{ serviceAccountToken }] } },
      },
    ],
  };
}

export const secretCommand = (secretName: string): string =>
  `kubectl create secret generic ${secretName} --from-file=${KEY_FILE}=<the workload's key>`;

/** Nothing but node is in the image, and the kubelet does not reach the pod's loopback. */
const probe = (port: number): object => ({
  exec: {
    command: [
      ...['node', '-e'],
      `fetch('http://127.0.0.1:${port}/livez').then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))`,
    ],
  },
  timeoutSeconds: 5,
});

const variables = (env: Record<string, string>): object[] =>
  Object.entries(env).map(([name, value]) => ({ name, value }));

function agentContainer({ image, url, connection, port, identity, caConfigMap }: Sidecar): object {
  const mounts = identity.volumes.map(({ name, mountPath }) => ({ name, mountPath, readOnly: true }));
  const ca = caConfigMap === undefined ? {} : { NODE_EXTRA_CA_CERTS: `${CA_FOLDER}/ca.crt` };
  return {
    name: 'countersign-agent',
    image,
    // A sidecar: it is ready before the application starts, and ends after it (Kubernetes 1.29).
    restartPolicy: 'Always',
    args: [
      ...['agent', connection, '--listen', `127.0.0.1:${port}`],
      ...['--token-file', TOKEN_FILE, '--token-file-mode', '0640'],
    ],
    env: variables({ COUNTERSIGN_URL: url, ...identity.env, ...ca }),
    startupProbe: { ...probe(port), periodSeconds: 2, failureThreshold: 30 },
    livenessProbe: { ...probe(port), periodSeconds: 60 },
    securityContext: {
      ...{ runAsNonRoot: true, runAsUser: UID, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
      ...{ capabilities: { drop: ['ALL'] }, seccompProfile: { type: 'RuntimeDefault' } },
    },
    resources: { requests: { cpu: '10m', memory: '128Mi' }, limits: { memory: '256Mi' } },
    volumeMounts: [
      { name: 'countersign-token', mountPath: TOKEN_FOLDER },
      ...mounts,
      ...(caConfigMap === undefined ? [] : [{ name: 'countersign-ca', mountPath: CA_FOLDER, readOnly: true }]),
    ],
  };
}

/** The application's own container stands in it as an example: its image is to be filled in. */
export function buildSidecarManifest(sidecar: Sidecar): object {
  const { name, namespace, connection, port, identity, caConfigMap } = sidecar;
  const labels = { 'app.kubernetes.io/name': name };
  const uri = `http://127.0.0.1:${port}/v1/connections/${encodeURIComponent(connection)}/credentials`;
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, ...(namespace === undefined ? {} : { namespace }), labels },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          ...(identity.serviceAccountName === undefined ? {} : { serviceAccountName: identity.serviceAccountName }),
          // Whoever the application runs as, its group may read the token and nobody else may.
          securityContext: { fsGroup: UID },
          initContainers: [agentContainer(sidecar)],
          containers: [
            {
              name,
              image: '<your image>',
              env: variables({
                AWS_CONTAINER_CREDENTIALS_FULL_URI: uri,
                AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: TOKEN_FILE,
              }),
              volumeMounts: [{ name: 'countersign-token', mountPath: TOKEN_FOLDER, readOnly: true }],
            },
          ],
          volumes: [
            { name: 'countersign-token', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
            ...identity.volumes.map(({ name: volume, source }) => ({ name: volume, ...source })),
            ...(caConfigMap === undefined ? [] : [{ name: 'countersign-ca', configMap: { name: caConfigMap } }]),
          ],
        },
      },
    },
  };
}
