// The partitions and regions of AWS that the service calls: hosts are built from this list, never from input.

export const PARTITIONS = ['aws', 'aws-cn', 'aws-us-gov', 'aws-eusc'] as const;

export type Partition = (typeof PARTITIONS)[number];

interface PartitionFacts {
  dnsSuffix: string;
  consoleHost: string;
  /** Where a browser is signed in to the console. */
  signinHost: string;
  /** The first is the one taken unless a region is named. */
  regions: readonly [string, ...string[]];
}

const FACTS: Record<Partition, PartitionFacts> = {
  aws: {
    dnsSuffix: 'amazonaws.com',
    consoleHost: 'console.aws.amazon.com',
    signinHost: 'signin.aws.amazon.com',
    regions: [
      'us-east-1',
      'us-east-2',
      'us-west-1',
      'us-west-2',
      'af-south-1',
      'ap-east-1',
      'ap-east-2',
      'ap-northeast-1',
      'ap-northeast-2',
      'ap-northeast-3',
      'ap-south-1',
      'ap-south-2',
      'ap-southeast-1',
      'ap-southeast-2',
      'ap-southeast-3',
      'ap-southeast-4',
      'ap-southeast-5',
      'ap-southeast-6',
      'ap-southeast-7',
      'ca-central-1',
      'ca-west-1',
      'eu-central-1',
      'eu-central-2',
      'eu-north-1',
      'eu-south-1',
      'eu-south-2',
      'eu-west-1',
      'eu-west-2',
      'eu-west-3',
      'il-central-1',
      'me-central-1',
      'me-south-1',
      'mx-central-1',
      'sa-east-1',
    ],
  },
  'aws-cn': {
    dnsSuffix: 'amazonaws.com.cn',
    consoleHost: 'console.amazonaws.cn',
    signinHost: 'signin.amazonaws.cn',
    regions: ['cn-north-1', 'cn-northwest-1'],
  },
  'aws-us-gov': {
    dnsSuffix: 'amazonaws.com',
    consoleHost: 'console.amazonaws-us-gov.com',
    signinHost: 'signin.amazonaws-us-gov.com',
    regions: ['us-gov-west-1', 'us-gov-east-1'],
  },
  'aws-eusc': {
    dnsSuffix: 'amazonaws.eu',
    consoleHost: 'console.amazonaws-eusc.eu',
    signinHost: 'eusc-de-east-1.signin.amazonaws-eusc.eu',
    regions: ['eusc-de-east-1'],
  },
};

export const REGIONS: readonly string[] = PARTITIONS.flatMap((partition) => FACTS[partition].regions);

/** The partition of a region, or undefined for a region that is not in the list. */
export function findPartition(region: string): Partition | undefined {
  return PARTITIONS.find((partition) => FACTS[partition].regions.includes(region));
}

/** The region taken when a connection names none. */
export function defaultRegion(partition: Partition): string {
  return FACTS[partition].regions[0];
}

/**
 * The regional STS endpoint, e.g. `https://sts.eu-west-1.amazonaws.com`.
 * @throws RangeError for a region that is not in the list.
 */
export function stsEndpoint(region: string): string {
  const partition = findPartition(region);
  if (!partition) throw new RangeError('not a region of AWS that is known here');
  return `https://sts.${region}.${FACTS[partition].dnsSuffix}`;
}

/** The console's host in a region, e.g. `eu-west-1.console.aws.amazon.com`. */
export function consoleHost(partition: Partition, region: string): string {
  return `${region}.${FACTS[partition].consoleHost}`;
}

/** Where a partition signs browsers in, and the host under which all of its console is. */
export function signinFacts(partition: Partition): { signinHost: string; consoleHost: string } {
  return FACTS[partition];
}

// `s3`, with or without a bucket before it and a region behind it, in the older form too; a website is served elsewhere.
const S3_HOST = /^(.+\.)?s3(-(?!website)[a-z0-9-]+)?(\.dualstack)?(\.[a-z]+(-[a-z]+)+-\d)?$/;

/** Whether S3 serves its objects at this host, in any partition: as `bucket.s3.…` or as `s3.…/bucket`. */
export function isS3Host(hostname: string): boolean {
  const suffix = PARTITIONS.map((partition) => `.${FACTS[partition].dnsSuffix}`).find((one) => hostname.endsWith(one));
  return suffix !== undefined && S3_HOST.test(hostname.slice(0, -suffix.length));
}

const KMS_KEY = /^arn:(aws[a-z-]*):kms:([a-z0-9-]+):\d{12}:key\/[A-Za-z0-9-]{1,64}$/;

/** The region of a KMS key's ARN; undefined for what is no such ARN (an alias may be pointed elsewhere), or of no region here. */
export function kmsKeyRegion(arn: string): string | undefined {
  const [, partition, region] = KMS_KEY.exec(arn) ?? [];
  return region !== undefined && findPartition(region) === partition ? region : undefined;
}
