/** A vault that was there before the installation, in this account or in another. */

import { ArnPrincipal, Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { type IKey, Key } from 'aws-cdk-lib/aws-kms';
import { Bucket, type IBucket } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { Settings, VaultSettings } from './settings.ts';
import { protections } from './vault-protection.ts';

export type ExistingVault = NonNullable<VaultSettings['existing']>;

export interface VaultParts {
  readonly bucket: IBucket;
  readonly key: IKey;
  /** Made with the vault where the settings ask for signatures without naming a key. */
  readonly signingKey?: IKey | undefined;
}

export function existingVault(scope: Construct, { bucket, keyArn, account }: ExistingVault): VaultParts {
  return {
    bucket: Bucket.fromBucketAttributes(scope, 'Vault', { bucketName: bucket, account }),
    key: Key.fromKeyArn(scope, 'VaultKey', keyArn),
  };
}

/** What the functions of an installation do with the bucket and its objects; which function may do what, their roles say. */
const BUCKET_ACTIONS = ['s3:ListBucket', 's3:ListBucketMultipartUploads', 's3:ListBucketVersions'];
const OBJECT_ACTIONS = [
  's3:AbortMultipartUpload',
  's3:DeleteObject',
  's3:DeleteObjectVersion',
  's3:GetObject',
  's3:GetObjectRetention',
  's3:ListMultipartUploadParts',
  's3:PutObject',
  's3:PutObjectRetention',
];

/**
 * The statements that the owner of an existing vault adds to the policy of its bucket and of its key, so that the roles of
 * the installation in `account` may do there what they are allowed at home, and nobody more than in a vault of its own.
 */
export function policiesOfOwner(
  { name, vault }: Settings,
  { existing, account }: { readonly existing: ExistingVault; readonly account: string },
): { readonly bucketPolicy: object[]; readonly keyPolicy: object[] } {
  const [, partition = 'aws'] = existing.keyArn.split(':');
  const bucketArn = `arn:${partition}:s3:::${existing.bucket}`;
  const allow = (actions: string[], resources: string[]) =>
    new PolicyStatement({
      effect: Effect.ALLOW,
      principals: [new ArnPrincipal(`arn:${partition}:iam::${account}:root`)],
      actions,
      resources,
      conditions: { ArnLike: { 'aws:PrincipalArn': `arn:${partition}:iam::${account}:role/${name}-pipeline-*` } },
    });
  const place = {
    bucketArn,
    keyArn: existing.keyArn,
    prefix: vault.prefix,
    objectLock: vault.objectLock !== undefined,
  };
  const bucketPolicy = [
    allow(BUCKET_ACTIONS, [bucketArn]),
    allow(OBJECT_ACTIONS, [`${bucketArn}/${vault.prefix}*`]),
    ...protections(place),
  ];
  const keyPolicy = [allow(['kms:Decrypt', 'kms:GenerateDataKey'], ['*'])];
  return { bucketPolicy: bucketPolicy.map(statementOf), keyPolicy: keyPolicy.map(statementOf) };
}

function statementOf(statement: PolicyStatement): object {
  return statement.toStatementJson();
}
