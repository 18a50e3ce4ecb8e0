/** What a restore says of pack indexes that it had to rebuild. */

import type { DiskContent } from '#lib/vault/disk-content.ts';

/** One remark for each index; nothing of the restored disk is missing, but the vault has lost an object. */
export function remarkRebuiltIndexes({ rebuiltIndexes }: DiskContent, onRemark: (remark: string) => void): void {
  for (const key of rebuiltIndexes) {
    onRemark(`${key} is gone or damaged and was rebuilt from its pack; nothing is missing. Run blockferry verify`);
  }
}
