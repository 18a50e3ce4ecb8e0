/** What the policy of a vault's bucket refuses to everybody, the administrators of its account included. */

import { AnyPrincipal, Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { vaultPatterns } from '#lib/format/keys.ts';
import type { VaultPlace } from './vault-access.ts';

export function protections(place: VaultPlace): PolicyStatement[] {
  return [
    ...ledgerStays(place),
    ...otherKeysAreRefused(place),
    ...(place.objectLock ? [locksAreNeverLifted(place)] : []),
  ];
}

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
 * its sender can read: the way in which vaults are held to ransom.
 */
function otherKeysAreRefused({ bucketArn, keyArn }: VaultPlace): PolicyStatement[] {
  const refusals = {
    OtherKeysAreRefused: ['s3:x-amz-server-side-encryption-aws-kms-key-id', keyArn],
    OtherEncryptionIsRefused: ['s3:x-amz-server-side-encryption', 'aws:kms'],
  } as const;
  return Object.entries(refusals).map(
    ([sid, [header, only]]) =>
      new PolicyStatement({
        sid,
        ...EVERYONE,
        actions: ['s3:PutObject'],
        resources: [`${bucketArn}/*`],
        conditions: { Null: { [header]: 'false' }, StringNotEquals: { [header]: only } },
      }),
  );
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
