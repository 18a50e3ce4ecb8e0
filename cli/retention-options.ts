/** The rules by which points are kept, as options of a command. */

import { type Command, InvalidArgumentError } from 'commander';
import { type RetentionPolicy, retentionPolicy } from '#lib/retention/policy.ts';
import { UsageError } from './vault-options.ts';

export interface RetentionOptions {
  readonly keepLast?: number;
  readonly keepDaily?: number;
  readonly keepWeekly?: number;
  readonly keepMonthly?: number;
  readonly keepYearly?: number;
  readonly keepWithinDays?: number;
}

export function addRetentionOptions(command: Command): Command {
  return command
    .option('--keep-last <n>', 'the newest n points of each VM', parseCount)
    .option('--keep-daily <n>', 'the newest point of each of the last n days', parseCount)
    .option('--keep-weekly <n>', 'the newest point of each of the last n weeks', parseCount)
    .option('--keep-monthly <n>', 'the newest point of each of the last n months', parseCount)
    .option('--keep-yearly <n>', 'the newest point of each of the last n years', parseCount)
    .option('--keep-within-days <n>', 'every point younger than n days (default: 7, at least 1)', parseCount);
}

function parseCount(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

/** Undefined when no rule was given. Throws UsageError for one that cannot be. */
export function retentionFrom(options: RetentionOptions): RetentionPolicy | undefined {
  const { keepLast, keepDaily, keepWeekly, keepMonthly, keepYearly, keepWithinDays } = options;
  const rules = { keepLast, keepDaily, keepWeekly, keepMonthly, keepYearly, keepWithinDays };
  const given = Object.fromEntries(Object.entries(rules).filter(([, value]) => value !== undefined));
  if (Object.keys(given).length === 0) return undefined;
  const parsed = retentionPolicy.safeParse(given);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UsageError(`${issue?.path.join('.')}: ${issue?.message}`, { cause: parsed.error });
}
