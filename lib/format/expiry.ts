/**
 * An expiry lets a point of a disk go: write-once, beside the ledger, whose entries stay for ever. From the moment it
 * exists the point may vanish; what only it used is collected after the grace.
 */

import * as z from 'zod/mini';
import { countField, diskIdField, documentHead, runIdField, sha256Field, timeField } from './document.ts';

export const expiry = z.object({
  ...documentHead,
  disk: diskIdField,
  seq: countField,
  /** Run and digest of the ledger entry that is let go. */
  run: runIdField,
  entrySha256: sha256Field,
  /** When it was let go, and by which reasoning. */
  time: timeField,
  because: z.string(),
});

export type Expiry = Readonly<z.infer<typeof expiry>>;
