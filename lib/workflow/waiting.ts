/** What a step answers that has to look again later, because the host is still at work. */

import * as z from 'zod/mini';

/** Longest wait between two looks at a host task: long enough to cost little, short enough not to idle. */
const MAX_WAIT_SECONDS = 60;

export const waiting = z.strictObject({
  waitSeconds: z.number().check(z.int(), z.gte(1), z.lte(MAX_WAIT_SECONDS)),
  /** What the host is doing, for the person who watches the execution. */
  waitingFor: z.string(),
});
