/** Which function may do what in the vault: the one table from which every role's policy is made. */

import { Aws } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { readWithoutKey, vaultPatterns } from '#lib/format/keys.ts';

type VaultPart = keyof typeof vaultPatterns;

export interface VaultAccess {
  readonly read: readonly VaultPart[];
  readonly write: readonly VaultPart[];
  /** Empty: only to learn that an object is not there. Left out: everything that is read is known to be there. */
  readonly list?: readonly VaultPart[];
  /** Names of everything below these folders. */
  readonly folders?: readonly `${string}/`[];
  readonly remove: readonly VaultPart[];
  /** Written in parts, so that an upload that failed has to be taken back. */
  readonly upload: readonly VaultPart[];
  /** Uploads of others that may be taken back. */
  readonly abort?: readonly VaultPart[];
  /** Written with a lock or given a later one, in a vault with Object Lock. No role may lift a lock. */
  readonly lock?: readonly VaultPart[];
  /** Whose locks may be looked at and not changed. */
  readonly seeLocks?: readonly VaultPart[];
  /** May sign with the key of the installation, where it has one. */
  readonly signs?: true;
}

/**
 * Nobody in this table may remove what a point consists of: that is remove-versions, which is not in it because it may
 * read and write nothing. Whoever writes under put-if-absent also reads, since a lost answer is resolved by looking at
 * what is there.
 */
export const vaultAccess = {
  'snapshot-disks': {
    read: ['vault', 'leases', 'readerSlots', 'connections', 'runs', 'plans', 'vmMetadata', 'ledger', 'manifests'],
    write: ['vault', 'leases', 'readerSlots', 'connections', 'runs', 'plans', 'vmMetadata', 'bitmaps', 'calls'],
    list: ['readerSlots', 'ledger', 'damaged'],
    remove: ['leases', 'readerSlots'],
    upload: [],
  },
  'split-extents': {
    // Points tell what the VM has cost this month.
    read: ['plans', 'bitmaps', 'points'],
    write: ['shards', 'calls'],
    list: ['points'],
    remove: [],
    upload: [],
  },
  // It writes packs and can read none back. A lost answer to an upload is resolved by the listing.
  'read-shard': {
    read: ['connections', 'plans', 'bitmaps', 'receipts', 'manifests', 'indexes'],
    write: ['receipts', 'indexes', 'calls'],
    list: ['packs'],
    remove: [],
    upload: ['packs'],
    lock: ['packs', 'indexes'],
  },
  'keep-failure': {
    read: ['results'],
    write: ['results'],
    list: [],
    remove: [],
    upload: [],
  },
  'commit-point': {
    read: [
      'plans',
      'bitmaps',
      'shards',
      'calls',
      'receipts',
      'packs',
      'indexes',
      'manifests',
      'ledger',
      'signatures',
      'points',
      'vmMetadata',
    ],
    write: ['manifests', 'ledger', 'signatures', 'points', 'calls'],
    // Points and the ledger tell which older points stay longer than was known when they were locked.
    list: ['receipts', 'packs', 'points', 'ledger', 'calls', 'results'],
    remove: [],
    upload: [],
    lock: ['packs', 'indexes', 'manifests', 'ledger', 'signatures', 'points', 'vmMetadata'],
    signs: true,
  },
  'release-host': {
    read: ['vault', 'leases', 'readerSlots', 'connections', 'runs', 'ledger', 'manifests', 'calls', 'closings'],
    write: ['runs', 'calls', 'closings'],
    list: ['readerSlots', 'ledger', 'calls'],
    remove: ['leases', 'readerSlots', 'connections'],
    upload: [],
  },
  'sweep-runs': {
    read: ['vault', 'leases', 'connections', 'runs', 'ledger', 'manifests'],
    write: ['runs', 'lastSweep'],
    list: ['ledger'],
    folders: ['runs/', 'connections/', 'vms/', 'disks/'],
    remove: ['leases', 'connections'],
    upload: [],
    abort: ['packs'],
  },
  // Points are removed by a marker that stands before their versions, so that they can be brought back for 30 days.
  'prune-points': {
    read: ['points', 'ledger', 'expired', 'manifests'],
    write: ['expired'],
    list: ['expired', 'ledger'],
    folders: ['vms/'],
    remove: ['points', 'vmMetadata', 'closings'],
    upload: [],
    seeLocks: ['points'],
  },
  'plan-collection': {
    read: ['ledger', 'expired', 'manifests'],
    write: [],
    list: [],
    folders: ['disks/'],
    remove: [],
    upload: [],
    seeLocks: ['packs', 'indexes', 'manifests'],
  },
  'verify-points': {
    read: ['ledger', 'expired', 'manifests', 'damaged'],
    write: ['verified', 'damaged'],
    list: [],
    folders: ['disks/'],
    remove: [],
    upload: [],
  },
  'take-inventory': {
    read: [],
    write: ['inventories'],
    remove: [],
    upload: [],
  },
  'write-report': {
    read: ['points', 'closings', 'ledger', 'manifests', 'inventories', 'lastSweep'],
    write: ['reports'],
    list: [],
    folders: ['vms/', 'disks/', 'upkeep/inventories/'],
    remove: [],
    upload: [],
  },
  // What a restore has made is known by marks on the pool: the vault is only read.
  'plan-restore': {
    read: ['points', 'vmMetadata', 'ledger', 'manifests'],
    write: [],
    list: [],
    folders: ['vms/'],
    remove: [],
    upload: [],
  },
  'write-range': {
    read: ['ledger', 'manifests', 'indexes', 'packs'],
    write: [],
    list: [],
    remove: [],
    upload: [],
  },
  'verify-range': {
    read: ['ledger', 'manifests', 'indexes'],
    write: [],
    list: [],
    remove: [],
    upload: [],
  },
  'finish-restore': {
    read: ['points', 'vmMetadata'],
    write: [],
    list: [],
    folders: ['vms/'],
    remove: [],
    upload: [],
  },
} as const satisfies Record<string, VaultAccess>;

/** The bucket as a policy names it; `prefix` is empty or ends in a slash. */
export interface VaultPlace {
  readonly bucketArn: string;
  readonly keyArn: string;
  readonly prefix: string;
  /** Whether the vault locks its objects. */
  readonly objectLock: boolean;
  /** The key that signs the heads of ledgers, in an installation that signs them. */
  readonly signingKeyArn?: string | undefined;
}

/** Whoever writes in parts reads too, as S3 does with the parts it puts together. */
const READ_AND_WRITE = ['kms:Decrypt', 'kms:GenerateDataKey'];

export function vaultStatements(place: VaultPlace, access: VaultAccess): PolicyStatement[] {
  const objects = (parts: readonly VaultPart[]) => objectsOf(place, parts);
  const { read, remove, upload } = access;
  const write = [...access.write, ...upload];
  const statements = [
    new PolicyStatement({ actions: ['s3:GetObject'], resources: objects(read) }),
    new PolicyStatement({ actions: ['s3:PutObject'], resources: objects(write) }),
    new PolicyStatement({ actions: ['s3:DeleteObject'], resources: objects(remove) }),
    new PolicyStatement({
      actions: ['s3:AbortMultipartUpload'],
      resources: objects([...upload, ...(access.abort ?? [])]),
    }),
    // Writing an object with a lock asks for the same permission as moving its end out afterwards.
    new PolicyStatement({
      actions: ['s3:GetObjectRetention', 's3:PutObjectRetention'],
      resources: place.objectLock ? objects(access.lock ?? []) : [],
    }),
    new PolicyStatement({
      actions: ['s3:GetObjectRetention'],
      resources: place.objectLock ? objects(access.seeLocks ?? []) : [],
    }),
    new PolicyStatement({
      actions: ['kms:Sign'],
      resources: access.signs === undefined || place.signingKeyArn === undefined ? [] : [place.signingKeyArn],
      conditions: { StringEquals: { 'kms:SigningAlgorithm': 'ECDSA_SHA_256' } },
    }),
    ...(access.list === undefined ? [] : [listStatement(place, access.list, access.folders)]),
    ...(needsKey([...read, ...write]) ? [keyStatement(place, needsKey(write) ? READ_AND_WRITE : ['kms:Decrypt'])] : []),
  ];
  return statements.filter((statement) => statement.resources.length > 0);
}

const needsKey = (parts: readonly VaultPart[]) => parts.some((part) => !readWithoutKey.some((free) => free === part));

function objectsOf({ bucketArn, prefix }: VaultPlace, parts: readonly VaultPart[]): string[] {
  return parts.map((part) => `${bucketArn}/${prefix}${vaultPatterns[part]}`);
}

/**
 * Without permission to list, S3 answers for an absent object as for a forbidden one, and "not there yet" is an answer
 * that most steps need. Those requests carry no prefix, hence IfExists: a request with a prefix must name an own one.
 * What remains open is a listing without any prefix, which shows names and sizes and no content.
 */
function listStatement(
  { bucketArn, prefix }: VaultPlace,
  list: readonly VaultPart[],
  folders: readonly string[] = [],
): PolicyStatement {
  const patterns = [...list.map((part) => vaultPatterns[part]), ...folders.map((folder) => `${folder}*`)];
  const prefixes = (patterns.length > 0 ? patterns : ['nothing-to-list']).map((pattern) => `${prefix}${pattern}`);
  return new PolicyStatement({
    actions: ['s3:ListBucket'],
    resources: [bucketArn],
    conditions: { StringLikeIfExists: { 's3:prefix': prefixes } },
  });
}

/** Names below one folder of the vault, and nothing of what is stored under them. */
export function listAllUnder({ bucketArn, prefix }: VaultPlace, folder: string): PolicyStatement {
  return new PolicyStatement({
    actions: ['s3:ListBucket'],
    resources: [bucketArn],
    conditions: { StringEquals: { 's3:prefix': `${prefix}${folder}` } },
  });
}

/** Versions by name, age and size, of what belongs to disks; they show no content. */
export function listVersions({ bucketArn, prefix }: VaultPlace): PolicyStatement {
  return new PolicyStatement({
    actions: ['s3:ListBucketVersions'],
    resources: [bucketArn],
    conditions: { StringLike: { 's3:prefix': `${prefix}disks/*` } },
  });
}

/** The one permission to destroy: without any to read, write or decrypt beside it, its holder cannot even copy. */
export function removeVersionsOf(place: VaultPlace): PolicyStatement {
  const parts: readonly VaultPart[] = ['packs', 'indexes', 'manifests'];
  return new PolicyStatement({ actions: ['s3:DeleteObjectVersion'], resources: objectsOf(place, parts) });
}

/** Uploads in progress are listed for a whole bucket: S3 knows no narrower resource. */
export function listUploads({ bucketArn }: VaultPlace): PolicyStatement {
  return new PolicyStatement({ actions: ['s3:ListBucketMultipartUploads'], resources: [bucketArn] });
}

/** The key serves only S3, and only for this bucket: with a bucket key the encryption context is the bucket's ARN. */
export function keyStatement({ bucketArn, keyArn }: VaultPlace, actions = READ_AND_WRITE): PolicyStatement {
  return new PolicyStatement({
    actions,
    resources: [keyArn],
    conditions: {
      StringEquals: { 'kms:ViaService': `s3.${Aws.REGION}.amazonaws.com` },
      StringLike: { 'kms:EncryptionContext:aws:s3:arn': [bucketArn, `${bucketArn}/*`] },
    },
  });
}
