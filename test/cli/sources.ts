// Environments and files, and what each AWS client takes in them: one table for the test, and to try the clients by.
import type { Source } from '../../src/cli/doctor/clients/sources.ts';

const KEYS = { AWS_ACCESS_KEY_ID: 'AKIAEXAMPLE', AWS_SECRET_ACCESS_KEY: 'secret' };
const IRSA = { AWS_WEB_IDENTITY_TOKEN_FILE: '/var/run/token', AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/pod' };
const AGENT = {
  AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://127.0.0.1:9911/v1/connections/acme/credentials',
  AWS_CONTAINER_AUTHORIZATION_TOKEN: 'Bearer agent',
};
const RELATIVE = { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/credentials/x' };
const [FULL, PATH] = ['AWS_CONTAINER_CREDENTIALS_FULL_URI', '/v1/credentials'];
const POD = {
  [FULL]: `http://169.254.170.23${PATH}`,
  AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE:
    '/var/run/secrets/pods.eks.amazonaws.com/serviceaccount/eks-pod-identity-token',
};
const keysOf = (heading: string): string => `[${heading}]\naws_access_key_id = AKIA\naws_secret_access_key = secret\n`;
const PROCESS = 'credential_process = true\n';
const ROLE = 'role_arn = arn:aws:iam::123456789012:role/x\n';

type Outcome = Source | 'none' | 'fails';

export interface Row {
  name: string;
  env?: Record<string, string>;
  config?: string;
  credentials?: string;
  /** The file that AWS_CREDENTIAL_FILE names, where it is there. */
  ec2?: string;
  /** boto's. */
  boto?: string;
  boto3: Outcome;
  /** What boto3 takes, unless said. */
  cli?: Outcome;
  javascript: Outcome;
  go: Outcome;
}

const all = (source: Outcome) => ({ boto3: source, javascript: source, go: source });

const BOTO = '[Boto]\nproxy = x\n[Credentials]\naws_access_key_id = AKIA\n';
const EC2 = { AWS_CREDENTIAL_FILE: '/home/x/ec2' };

export const ROWS: Row[] = [
  { name: 'nothing', ...all('metadata') },
  { name: 'nothing, and no metadata service', env: { AWS_EC2_METADATA_DISABLED: 'true' }, ...all('none') },
  { name: 'the endpoint of an agent', env: AGENT, ...all('container') },
  { name: 'ECS', env: RELATIVE, ...all('container') },
  { name: 'EKS Pod Identity', env: POD, ...all('container') },
  { name: 'EKS Pod Identity by IPv6', env: { ...POD, [FULL]: `http://[fd00:ec2::23]${PATH}` }, ...all('container') },
  { name: 'keys of the environment', env: { ...KEYS, ...AGENT }, ...all('keys') },
  { name: 'IRSA', env: { ...IRSA, ...AGENT }, ...all('web_identity') },
  { name: 'keys before IRSA', env: { ...KEYS, ...IRSA }, ...all('keys') },
  {
    name: 'an access key without its secret',
    env: { AWS_ACCESS_KEY_ID: 'AKIA', ...AGENT },
    ...{ boto3: 'fails', javascript: 'container', go: 'container' },
  },
  {
    name: 'a token of IRSA without a role',
    env: { AWS_WEB_IDENTITY_TOKEN_FILE: '/var/run/token', ...AGENT },
    ...{ boto3: 'fails', javascript: 'container', go: 'fails' },
  },
  {
    name: 'keys of the credentials file, though no profile is named',
    env: AGENT,
    credentials: keysOf('default'),
    ...{ boto3: 'credentials_file', javascript: 'profile_keys', go: 'profile_keys' },
  },
  {
    name: 'keys of the config file',
    env: AGENT,
    config: keysOf('default'),
    ...{ boto3: 'config_file', javascript: 'profile_keys', go: 'profile_keys' },
  },
  {
    name: 'files and IRSA: only JavaScript takes the files first',
    env: IRSA,
    credentials: keysOf('default'),
    ...{ boto3: 'web_identity', javascript: 'profile_keys', go: 'web_identity' },
  },
  {
    name: 'a profile that is named, and keys: only JavaScript takes the profile',
    env: { ...KEYS, AWS_PROFILE: 'x' },
    config: keysOf('profile x'),
    ...{ boto3: 'keys', javascript: 'profile_keys', go: 'keys' },
  },
  {
    name: 'a profile that is not there',
    env: { AWS_PROFILE: 'x', ...AGENT },
    ...{ boto3: 'fails', javascript: 'container', go: 'fails' },
  },
  {
    name: 'a profile that is not there, and keys',
    env: { AWS_PROFILE: 'x', ...KEYS },
    ...{ boto3: 'fails', javascript: 'metadata', go: 'fails' },
  },
  {
    name: 'a profile with a region alone',
    env: { AWS_PROFILE: 'x', ...AGENT },
    config: '[profile x]\nregion = eu-west-1\n',
    ...all('container'),
  },
  {
    name: 'the other variable for a profile, which JavaScript does not read',
    env: { AWS_DEFAULT_PROFILE: 'x' },
    config: `[profile x]\n${PROCESS}`,
    ...{ boto3: 'profile_process', javascript: 'metadata', go: 'profile_process' },
  },
  {
    name: 'both variables for a profile, of which each client has its first',
    env: { AWS_DEFAULT_PROFILE: 'x', AWS_PROFILE: 'y' },
    config: `[profile x]\n${PROCESS}[profile y]\n${ROLE}source_profile = z\n${keysOf('profile z')}`,
    ...{ boto3: 'profile_process', cli: 'profile_role', javascript: 'profile_role', go: 'profile_role' },
  },
  { name: 'credential_process', env: AGENT, config: `[default]\n${PROCESS}`, ...all('profile_process') },
  {
    name: 'a section of the config file that does not say profile is none',
    env: { AWS_PROFILE: 'x' },
    config: `[x]\n${PROCESS}`,
    ...{ boto3: 'fails', javascript: 'metadata', go: 'fails' },
  },
  {
    name: 'keys and a process in one profile',
    config: `[default]\n${PROCESS}`,
    credentials: keysOf('default'),
    ...{ boto3: 'credentials_file', javascript: 'profile_keys', go: 'profile_keys' },
  },
  {
    name: 'keys in the config file and a process: botocore takes the process',
    config: `${keysOf('default')}${PROCESS}`,
    ...{ boto3: 'profile_process', javascript: 'profile_keys', go: 'profile_keys' },
  },
  {
    name: 'a role by a profile',
    env: { AWS_PROFILE: 'x', ...AGENT },
    config: `[profile x]\n${ROLE}source_profile = y\n${keysOf('profile y')}`,
    ...all('profile_role'),
  },
  {
    name: 'a role by a profile, and IRSA: Go takes IRSA',
    env: { AWS_PROFILE: 'x', ...IRSA },
    config: `[profile x]\n${ROLE}source_profile = y\n${keysOf('profile y')}`,
    ...{ boto3: 'profile_role', javascript: 'profile_role', go: 'web_identity' },
  },
  {
    name: 'a web identity of a profile',
    env: { AWS_PROFILE: 'x', ...AGENT },
    config: `[profile x]\n${ROLE}web_identity_token_file = /t\n`,
    ...all('profile_web_identity'),
  },
  {
    name: 'SSO by a profile, its session apart',
    env: { AWS_PROFILE: 'x', ...AGENT },
    config:
      '[profile x]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://example.com\n',
    ...all('profile_sso'),
  },
  {
    name: "keys of boto's file, which botocore takes before a container's",
    env: AGENT,
    boto: `${BOTO}aws_secret_access_key = secret\n`,
    ...{ boto3: 'boto_file', javascript: 'container', go: 'container' },
  },
  {
    name: "an access key in boto's file without its secret",
    env: AGENT,
    boto: BOTO,
    ...{ boto3: 'fails', javascript: 'container', go: 'container' },
  },
  { name: "boto's file without keys", env: AGENT, boto: '[Boto]\naws_access_key_id = AKIA\n', ...all('container') },
  {
    name: "keys of the config file, and of boto's",
    config: keysOf('default'),
    boto: `${BOTO}aws_secret_access_key = secret\n`,
    ...{ boto3: 'config_file', javascript: 'profile_keys', go: 'profile_keys' },
  },
  {
    name: "keys of a file of EC2's first tools, and of boto's",
    env: { ...EC2, ...AGENT },
    ec2: 'AWSAccessKeyId=AKIA\nAWSSecretKey = secret\n',
    boto: `${BOTO}aws_secret_access_key = secret\n`,
    ...{ boto3: 'ec2_file', javascript: 'container', go: 'container' },
  },
  {
    name: "a file of EC2's first tools that is not there",
    env: { ...EC2, ...AGENT },
    ...{ boto3: 'fails', javascript: 'container', go: 'container' },
  },
  { name: "a file of EC2's first tools without keys", env: { ...EC2, ...AGENT }, ec2: 'x=y\n', ...all('container') },
  {
    name: 'keys by the names that Go knows as well',
    env: { AWS_ACCESS_KEY: 'AKIA', AWS_SECRET_KEY: 'secret', ...AGENT },
    ...{ boto3: 'container', javascript: 'container', go: 'keys' },
  },
  {
    name: 'no metadata service, by a word that JavaScript alone takes',
    env: { AWS_EC2_METADATA_DISABLED: '1' },
    ...{ boto3: 'metadata', javascript: 'none', go: 'metadata' },
  },
  { name: 'a metadata service, said', env: { AWS_EC2_METADATA_DISABLED: 'false' }, ...all('metadata') },
  {
    name: 'a variable that is set to nothing, which botocore counts',
    env: { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '', AWS_EC2_METADATA_DISABLED: 'true' },
    ...{ boto3: 'container', javascript: 'none', go: 'none' },
  },
];
