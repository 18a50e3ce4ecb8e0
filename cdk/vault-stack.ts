/** The stateful stack: the bucket that holds every backup, and its key. */

import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { Key, KeySpec, KeyUsage } from 'aws-cdk-lib/aws-kms';
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { vaultPatterns } from '#lib/format/keys.ts';
import type { VaultSettings } from './settings.ts';
import { protections } from './vault-protection.ts';

/** Parts of an upload that nobody completes cost like objects and show in no listing; no run lasts that long. */
const ABANDONED_UPLOAD_DAYS = 7;
/** How long an overwritten or removed object can be brought back. */
const UNDELETE_DAYS = 30;

/** What is in the vault survives the stack: the bucket and the key are kept when it is deleted. */
export class VaultStack extends Stack {
  readonly bucket: Bucket;
  readonly key: Key;
  readonly signingKey: Key | undefined;

  constructor(scope: Construct, id: string, props: StackProps & { readonly vault: VaultSettings }) {
    super(scope, id, { terminationProtection: true, ...props });
    const { bucket: bucketName, prefix, objectLock, signing } = props.vault;
    this.key = new Key(this, 'Key', {
      description: 'Encrypts the Blockferry vault. Without it no backup can be read.',
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    this.bucket = new Bucket(this, 'Bucket', {
      ...(bucketName === undefined ? {} : { bucketName }),
      versioned: true,
      // No default retention: it would lock what no point needs as long as what all of them need.
      ...(objectLock && { objectLockEnabled: true }),
      encryption: BucketEncryption.KMS,
      encryptionKey: this.key,
      bucketKeyEnabled: true,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    this.signingKey = signing !== undefined && signing.keyArn === undefined ? this.#makeSigningKey() : undefined;
    this.#expireWhatNobodyNeeds(prefix);
    const place = { bucketArn: this.bucket.bucketArn, keyArn: this.key.keyArn, prefix };
    for (const statement of protections({ ...place, objectLock: objectLock !== undefined })) {
      this.bucket.addToResourcePolicy(statement);
    }
    new CfnOutput(this, 'BucketName', { value: this.bucket.bucketName });
  }

  /** Who can write to the vault but not sign cannot make up a history: keep the public key where the vault is not. */
  #makeSigningKey(): Key {
    const key = new Key(this, 'SigningKey', {
      description: 'Signs the heads of the ledgers of the Blockferry vault.',
      keySpec: KeySpec.ECC_NIST_P256,
      keyUsage: KeyUsage.SIGN_VERIFY,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    new CfnOutput(this, 'SigningKeyArn', { value: key.keyArn });
    return key;
  }

  #expireWhatNobodyNeeds(prefix: string): void {
    this.bucket.addLifecycleRule({
      id: 'abandoned-uploads-and-removed-objects',
      abortIncompleteMultipartUploadAfter: Duration.days(ABANDONED_UPLOAD_DAYS),
      noncurrentVersionExpiration: Duration.days(UNDELETE_DAYS),
      expiredObjectDeleteMarker: true,
    });
    // A connection holds a session of the host. release-host removes it; this is for runs that never got there.
    this.bucket.addLifecycleRule({
      id: 'connections',
      prefix: `${prefix}${vaultPatterns.connections.replace('*', '')}`,
      expiration: Duration.days(1),
      noncurrentVersionExpiration: Duration.days(1),
    });
  }
}
