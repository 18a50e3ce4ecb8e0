/** What the newest sweep took away and what it had to leave, for the report. */

import * as z from 'zod/mini';
import { documentHead, timeField } from './document.ts';

const remark = z.object({ what: z.string(), why: z.string() });

export const sweepResult = z.object({
  ...documentHead,
  time: timeField,
  removed: z.array(z.string()),
  /** Still on a host or in the vault, with the reason; the next sweep tries again. */
  left: z.array(remark),
  /** Seen and not touched, with the reason. */
  spared: z.array(remark),
});

export type SweepFindings = Pick<SweepResult, 'time'> & {
  readonly [Field in 'removed' | 'left' | 'spared']: readonly SweepResult[Field][number][];
};
export type SweepResult = Readonly<z.infer<typeof sweepResult>>;
