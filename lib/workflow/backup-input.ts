/** What starts a backup run of one VM: from a schedule, by hand, from the command line or from a fleet run. */

import * as z from 'zod/mini';
import { uuid } from './contract.ts';

/** XenServer's NBD server accepts 16 connections per host and no more. */
export const HOST_CONNECTION_LIMIT = 16;
export const DEFAULT_READERS = 4;

/**
 * A run that is older is ended from outside. The bound is that of what it holds: the vault expires a connection object
 * after one day, so that later readers could not begin, and XAPI drops a session that was idle for 24 hours.
 */
export const RUN_LIMIT_HOURS = 24;

export const STORAGE_CLASSES = ['STANDARD', 'INTELLIGENT_TIERING', 'STANDARD_IA', 'GLACIER_IR'] as const;

export const backupInput = z.strictObject({
  vm: uuid,
  /** Name of the pool in the settings; may be left out when there is only one. */
  pool: z.optional(z.string()),
  /** Parallel readers; more than the link carries only cost more. */
  readers: z.optional(z.number().check(z.int(), z.gte(1), z.lte(HOST_CONNECTION_LIMIT))),
  storageClass: z.optional(z.enum(STORAGE_CLASSES)),
  /** VDI uuids that are left out, beside the disks marked [NOBAK]. */
  excludeDisks: z.optional(z.array(uuid)),
});

/** What the host's steps are told of the run: its identity, its age and what was asked for. */
export const runRequest = z.strictObject({
  /** ARN of the execution; the run's id and the lease's holder come from it. */
  execution: z.string().check(z.minLength(1)),
  /** When the execution began, ISO 8601. */
  started: z.string().check(z.minLength(20)),
  request: backupInput,
});

/** The same three facts as every state of an execution finds them in its context. */
export const RUN_REQUEST_PAYLOAD = {
  execution: '{% $states.context.Execution.Id %}',
  started: '{% $states.context.Execution.StartTime %}',
  request: '{% $states.context.Execution.Input %}',
} as const satisfies Record<keyof z.infer<typeof runRequest>, string>;
