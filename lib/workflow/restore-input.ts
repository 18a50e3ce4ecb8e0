/** What starts a restore to a pool: from the console, from the command line, by anything that may start the workflow. */

import * as z from 'zod/mini';
import { CredentialUnavailable } from '#lib/credentials/failures.ts';
import { VaultCorruption, VaultUnavailable } from '#lib/store/failures.ts';
import { count, runId, uuid } from './contract.ts';
import { HOST_TRANSIENT } from './host-failures.ts';

/** A VM has at most 255 disks; a state that lists 64 of them stays below 16 KiB. */
export const MAX_RESTORED_DISKS = 64;
/** Each costs an attachment in dom0 and shares the one link with the others. */
export const DISKS_AT_ONCE = 4;
/**
 * Calls that one execution makes for a disk; where more is left, the next execution goes on. In the history a call has 7
 * events, and 3 more for each of the 24 times that it may be tried again: at most 4,740 for 60 calls.
 */
export const STRETCH_CALLS = 60;
/**
 * 256 TiB, 16 disks of the largest size, written and compared at 200 MiB/s. A call goes on for about ten minutes, so four
 * disks at once are at most 290 stretches in that time, of 8 events each in the history of the restore.
 */
export const RESTORE_LIMIT_HOURS = 720;
/** As many calls of ten minutes as fit into that time: a disk that needs more does not get any further. */
export const MAX_RANGE_CALLS = RESTORE_LIMIT_HOURS * 6;

export const restoreInput = z.strictObject({
  /** Name of the point, a unique beginning of it, or `latest`. */
  point: z.string().check(z.minLength(1)),
  /** UUID or name of the VM; needed when the name fits points of several VMs. */
  vm: z.optional(z.string()),
  /** Name of the pool in the settings, where it goes to; may be left out when there is only one. */
  pool: z.optional(z.string()),
  /** UUID of the storage repository of the new disks. */
  sr: uuid,
  /** The VM with its disks, halted, or the disks alone. */
  as: z._default(z.enum(['vm', 'disks']), 'vm'),
  /** Position, name or UUID of each disk; all when left out. */
  disks: z.optional(z.array(z.string()).check(z.minLength(1), z.maxLength(MAX_RESTORED_DISKS))),
  /** Of the restored VM; "(restored)" is added to the old one when left out. */
  name: z.optional(z.string().check(z.minLength(1))),
  /** `kept`: the VM's uuid and MAC addresses as they were. */
  identity: z._default(z.enum(['new', 'kept']), 'new'),
});

/** What the steps are told of the restore; the payload is RUN_REQUEST_PAYLOAD. */
export const restoreRequest = z.strictObject({
  execution: z.string().check(z.minLength(1)),
  started: z.string().check(z.minLength(20)),
  request: restoreInput,
});

/** One disk on its way. Other fields are ignored, so that the answer of a call is the next call's input as it is. */
export const restoredDisk = z.object({
  runId,
  pool: z.optional(z.string()),
  disk: uuid,
  seq: count,
  /** How many calls have worked on it. */
  calls: count,
});

export const RESTORE_TRANSIENT = [...HOST_TRANSIENT, CredentialUnavailable, VaultUnavailable, VaultCorruption] as const;
