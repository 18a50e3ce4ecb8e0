/** A restore point of a VM: which ledger entry of each disk belongs to it, and what the run was and took. */

import * as z from 'zod/mini';
import { countField, diskIdField, documentHead, runIdField, sha256Field, timeField, vmIdField } from './document.ts';
import { hostCheck } from './receipt.ts';
import { requestCounts } from './request-counts.ts';

const pointDisk = z.object({
  disk: diskIdField,
  seq: countField,
  name: z.string(),
  device: z.string(),
  bootable: z.boolean(),
  diskBytes: countField,
  kind: z.enum(['incremental', 'full']),
  full: z.optional(z.object({ because: z.string(), cure: z.string() })),
  plannedBytes: countField,
  dataGrains: countField,
  zeroGrains: countField,
  unchangedGrains: countField,
  storedBytes: countField,
});

export const vmPoint = z.object({
  ...documentHead,
  vm: vmIdField,
  vmName: z.string(),
  pool: z.string(),
  run: runIdField,
  execution: z.string(),
  /** Name of the policy that asked for the run. */
  policy: z.optional(z.string()),
  /** For people: by how much the run passed its budget, and which setting helps. */
  budgetPassed: z.optional(z.string()),
  time: timeField,
  finished: timeField,
  metadataKey: z.optional(z.string()),
  metadataSha256: z.optional(sha256Field),
  disks: z.array(pointDisk),
  measured: z.object({
    nbdBytes: countField,
    nbdRequests: countField,
    readerMs: countField,
    /** Parts that readers reported: one call of the reader each. */
    readerCalls: z.optional(countField),
    /** Calls of all steps up to the commit's own; absent in points whose other figures are of readers and commit alone. */
    calls: z.optional(countField),
    /** How many of these calls ended with a failure. */
    failedCalls: z.optional(countField),
    /** Memory times duration of these calls, in GiB and seconds. */
    gbSeconds: z.optional(z.number().check(z.nonnegative())),
    /** States that the run entered until this point was written, counted from the workflow's shape and these calls. */
    transitions: z.optional(countField),
    /** Stored by the run: packs in their class, indexes and manifests in STANDARD. */
    bytesByClass: z.optional(z.record(z.string(), countField)),
    /** Every way in which a host proved who it is, each once. */
    hostChecks: z.optional(z.array(hostCheck)),
    /** Requests of the run up to this point's own; absent where nobody counted. */
    requests: z.optional(requestCounts),
  }),
});

export type PointDisk = Readonly<z.infer<typeof pointDisk>>;
export type VmPoint = Readonly<z.infer<typeof vmPoint>>;
