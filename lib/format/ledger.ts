/**
 * The ledger of a disk: numbered, write-once entries, each with the digest of the one before. That entry n exists IS the
 * commit of point n; nothing else decides what exists.
 */

import * as z from 'zod/mini';
import { countField, diskIdField, documentHead, runIdField, sha256Field, timeField } from './document.ts';

/** `headerSha256` is over the manifest up to its first section; the header in turn has the digest of every section. */
export const manifestAddress = z.object({ key: z.string(), bytes: countField, headerSha256: sha256Field });

export const ledgerEntry = z.object({
  ...documentHead,
  disk: diskIdField,
  /** From 1, without gaps. */
  seq: countField,
  run: runIdField,
  time: timeField,
  manifest: manifestAddress,
  /** SHA-256 of the previous entry's bytes; absent in the first. */
  previousSha256: z.optional(sha256Field),
});

export type LedgerEntry = Readonly<z.infer<typeof ledgerEntry>>;
/** Where a manifest is and what it must be. */
export type ManifestAddress = Readonly<z.infer<typeof manifestAddress>>;
