/** The versions of a vault's objects, for the functions that collect. */

import { type ObjectVersions, versionsUnderPrefix } from '#lib/store/object-versions.ts';
import { s3Versions } from '#lib/store/s3-versions.ts';
import { bucketOf, type VaultEnvironment } from './wiring.ts';

export function vaultVersions(environment: VaultEnvironment): ObjectVersions {
  return versionsUnderPrefix(s3Versions(bucketOf(environment)), environment.VAULT_PREFIX);
}
