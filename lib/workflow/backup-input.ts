/** What starts a backup run of one VM: from a schedule, by hand, from the command line or from a fleet run. */

import * as z from 'zod/mini';
import { retentionPolicy } from '#lib/retention/policy.ts';
import { uuid } from './contract.ts';

/** XenServer's NBD server accepts 16 connections per host and no more. */
export const HOST_CONNECTION_LIMIT = 16;
export const DEFAULT_READERS = 4;

/**
 * A run that is older is ended from outside. The bound is that of what it holds: the vault expires a connection object
 * after one day, so that later readers could not begin, and XAPI drops a session that was idle for 24 hours.
 */
export const RUN_LIMIT_HOURS = 24;

/** The outcome of a run that found another one at work on its VM, and so made no point of its own. */
export const LEFT_TO_ANOTHER_RUN = 'left-to-another-run';

/** What `vault.objectLock.mode` may be. */
export const LOCK_MODES = ['governance', 'compliance'] as const;
export const STORAGE_CLASSES = ['STANDARD', 'INTELLIGENT_TIERING', 'STANDARD_IA', 'GLACIER_IR'] as const;

const dollars = z.number().check(z.nonnegative());

/** What each VM may cost, in US dollars, judged when the changes are known and before anything is transferred. */
export const budget = z.strictObject({
  perRun: z.optional(dollars),
  /** Its runs of the last 30 days and the storage of all its points for a month. */
  perMonth: z.optional(dollars),
  /** `stop` ends the run as BudgetExceeded; `warn` goes on, and says so in the log, in a metric and in the point. */
  onExceed: z.enum(['warn', 'stop']),
});

export const backupInput = z.strictObject({
  vm: uuid,
  /** Name of the pool in the settings; may be left out when there is only one. */
  pool: z.optional(z.string()),
  /** Parallel readers; more than the link carries only cost more. */
  readers: z.optional(z.number().check(z.int(), z.gte(1), z.lte(HOST_CONNECTION_LIMIT))),
  storageClass: z.optional(z.enum(STORAGE_CLASSES)),
  /** VDI uuids that are left out, beside the disks marked [NOBAK]. */
  excludeDisks: z.optional(z.array(uuid)),
  budget: z.optional(budget),
  /** How long the point is needed at least, by the rules of its policy. */
  retention: z.optional(retentionPolicy),
  /** Name of the policy that asked for the run; the point keeps it. */
  policy: z.optional(z.string()),
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
