/** What the policy of a vault's bucket refuses to everybody, the administrators of its account included. */

import { AnyPrincipal, Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { readWithoutKey, vaultPatterns } from '#lib/format/keys.ts';
import type { VaultPlace } from './vault-access.ts';

export function protections(place: VaultPlace): PolicyStatement[] {
  return [
    ...ledgerStays(place),
    ...otherKeysAreRefused(place),
    ...(place.objectLock ? [locksAreNeverLifted(place)] : []),
  ];
}

const KEY_HEADER = 's3:x-amz-server-side-encryption-aws-kms-key-id';
const ENCRYPTION_HEADER = 's3:x-amz-server-side-encryption';
const EVERYONE = { effect: Effect.DENY, principals: [new AnyPrincipal()] };

/** The ledger decides what exists, so its entries are written once and removed by nobody. */
function ledgerStays({ bucketArn, prefix }: VaultPlace): PolicyStatement[] {
  const resources = [vaultPatterns.ledger, vaultPatterns.expired, vaultPatterns.signatures].map(
    (pattern) => `${bucketArn}/${prefix}${pattern}`,
  );
  return [
    new PolicyStatement({
      sid: 'LedgerIsNeverRemoved',
      ...EVERYONE,
      actions: ['s3:DeleteObject', 's3:DeleteObjectVersion'],
      resources,
    }),
    new PolicyStatement({
      sid: 'LedgerIsNeverOverwritten',
      ...EVERYONE,
      actions: ['s3:PutObject'],
      resources,
      conditions: { Null: { 's3:if-none-match': 'true' } },
    }),
  ];
}

/**
 * A request that says nothing gets the vault's key. One that names another key, or none of KMS, would store what only
 * its sender can read: the way in which vaults are held to ransom. What the collection reads has to be under S3's own key:
 * under any other it could never be judged, and so never go.
 */
function otherKeysAreRefused({ bucketArn, keyArn, prefix }: VaultPlace): PolicyStatement[] {
  const everything = [`${bucketArn}/*`];
  const free = readWithoutKey.map((part) => `${bucketArn}/${prefix}${vaultPatterns[part]}`);
  const refused = { ...EVERYONE, actions: ['s3:PutObject'] };
  return [
    new PolicyStatement({
      sid: 'OtherKeysAreRefused',
      ...refused,
      resources: everything,
      conditions: { Null: { [KEY_HEADER]: 'false' }, StringNotEquals: { [KEY_HEADER]: keyArn } },
    }),
    new PolicyStatement({
      sid: 'OtherEncryptionIsRefused',
      ...refused,
      notResources: free,
      conditions: { Null: { [ENCRYPTION_HEADER]: 'false' }, StringNotEquals: { [ENCRYPTION_HEADER]: 'aws:kms' } },
    }),
    new PolicyStatement({
      sid: 'LedgersAndMapsNeedNoKey',
      ...refused,
      resources: free,
      // Without "Null": a request that says nothing is refused too.
      conditions: { StringNotEquals: { [ENCRYPTION_HEADER]: 'AES256' } },
    }),
  ];
}

/** Under governance an administrator could lift locks: first this statement has to go, which CloudTrail records. */
function locksAreNeverLifted({ bucketArn }: VaultPlace): PolicyStatement {
  return new PolicyStatement({
    sid: 'LocksAreNeverLifted',
    ...EVERYONE,
    actions: ['s3:BypassGovernanceRetention'],
    resources: [`${bucketArn}/*`],
  });
}
