/** The stateful stack: the bucket that holds every backup, and its key. */

import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { AnyPrincipal, Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { vaultPatterns } from '#lib/format/keys.ts';
import type { VaultSettings } from './settings.ts';

/** Parts of an upload that nobody completes cost like objects and show in no listing; no run lasts that long. */
const ABANDONED_UPLOAD_DAYS = 7;
/** How long an overwritten or removed object can be brought back. */
const UNDELETE_DAYS = 30;

/** What is in the vault survives the stack: the bucket and the key are kept when it is deleted. */
export class VaultStack extends Stack {
  readonly bucket: Bucket;
  readonly key: Key;

  constructor(scope: Construct, id: string, props: StackProps & { readonly vault: VaultSettings }) {
    super(scope, id, { terminationProtection: true, ...props });
    const { bucket: bucketName, prefix, objectLock } = props.vault;
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
    this.#expireWhatNobodyNeeds(prefix);
    this.#protectLedger(prefix);
    this.#refuseOtherKeys();
    if (objectLock !== undefined) this.#neverLiftLocks();
    new CfnOutput(this, 'BucketName', { value: this.bucket.bucketName });
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

  /**
   * A request that says nothing gets the vault's key. One that names another key, or none of KMS, would store what only
   * its sender can read: the way in which vaults are held to ransom.
   */
  #refuseOtherKeys(): void {
    const refusals = {
      OtherKeysAreRefused: ['s3:x-amz-server-side-encryption-aws-kms-key-id', this.key.keyArn],
      OtherEncryptionIsRefused: ['s3:x-amz-server-side-encryption', 'aws:kms'],
    } as const;
    for (const [sid, [header, only]] of Object.entries(refusals)) {
      this.bucket.addToResourcePolicy(
        new PolicyStatement({
          sid,
          effect: Effect.DENY,
          principals: [new AnyPrincipal()],
          actions: ['s3:PutObject'],
          resources: [this.bucket.arnForObjects('*')],
          conditions: { Null: { [header]: 'false' }, StringNotEquals: { [header]: only } },
        }),
      );
    }
  }

  /** Under governance an administrator could lift locks: first this statement has to go, which CloudTrail records. */
  #neverLiftLocks(): void {
    this.bucket.addToResourcePolicy(
      new PolicyStatement({
        sid: 'LocksAreNeverLifted',
        effect: Effect.DENY,
        principals: [new AnyPrincipal()],
        actions: ['s3:BypassGovernanceRetention'],
        resources: [this.bucket.arnForObjects('*')],
      }),
    );
  }

  /** The ledger decides what exists, so its entries are written once and removed by nobody, administrators included. */
  #protectLedger(prefix: string): void {
    const entries = [vaultPatterns.ledger, vaultPatterns.expired].map((pattern) =>
      this.bucket.arnForObjects(`${prefix}${pattern}`),
    );
    const everyone = { effect: Effect.DENY, principals: [new AnyPrincipal()], resources: entries };
    this.bucket.addToResourcePolicy(
      new PolicyStatement({
        sid: 'LedgerIsNeverRemoved',
        ...everyone,
        actions: ['s3:DeleteObject', 's3:DeleteObjectVersion'],
      }),
    );
    this.bucket.addToResourcePolicy(
      new PolicyStatement({
        sid: 'LedgerIsNeverOverwritten',
        ...everyone,
        actions: ['s3:PutObject'],
        conditions: { Null: { 's3:if-none-match': 'true' } },
      }),
    );
  }
}
