/** The versions of a vault's objects, for the commands that delete for good or look for overwritten objects. */

import { type ObjectVersions, versionsUnderPrefix } from '#lib/store/object-versions.ts';
import { s3Versions } from '#lib/store/s3-versions.ts';
import { parseVaultUrl, type VaultOptions } from './vault-options.ts';

export interface OpenVersions extends Disposable {
  readonly versions: ObjectVersions;
}

export function openVersions(options: VaultOptions): OpenVersions {
  const { bucket, prefix } = parseVaultUrl(options.vault);
  const versions = s3Versions({
    bucket,
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    ...(options.region === undefined ? {} : { region: options.region }),
  });
  return {
    versions: versionsUnderPrefix(versions, prefix),
    [Symbol.dispose]: () => versions[Symbol.dispose](),
  };
}
