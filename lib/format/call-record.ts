/** What one call of a step used, and what a run used after its point: the parts of a run's bill that no receipt has. */

import * as z from 'zod/mini';
import { countField, documentHead, runIdField, timeField, vmIdField } from './document.ts';
import { requestCounts } from './request-counts.ts';

const gbSeconds = z.number().check(z.nonnegative());

export const callRecord = z.object({
  ...documentHead,
  run: runIdField,
  step: z.string(),
  /** False for a call that ended with a failure, after which the workflow tries again or gives up. */
  answered: z.boolean(),
  gbSeconds,
  /** This record's own PUT included; absent where nobody counted. */
  requests: z.optional(requestCounts),
});

/** Kept beside the point, which is written once and before the host is released. */
export const pointClosing = z.object({
  ...documentHead,
  run: runIdField,
  vm: vmIdField,
  /** Of the point. */
  time: timeField,
  calls: countField,
  gbSeconds,
  transitions: countField,
  /** This document's own PUT included. */
  requests: z.optional(requestCounts),
});

export type CallRecord = Readonly<z.infer<typeof callRecord>>;
export type PointClosing = Readonly<z.infer<typeof pointClosing>>;
