/** What the report is told of each policy of the settings: which VMs it selects, when it runs, how long points stay. */

import * as z from 'zod/mini';
import { retentionPolicy } from '#lib/retention/policy.ts';
import { fleetInput } from './fleet-input.ts';

const { policy, pool, select, exclude, excludeDisks } = fleetInput.shape;

/** Fields that the report has no use for are left out. */
export const policySummary = z.object({
  ...{ policy, pool, select, exclude, excludeDisks },
  /** Time of day as `HH:MM`, and its zone. */
  at: z.string(),
  timezone: z._default(z.string(), 'Etc/UTC'),
  retention: z.optional(retentionPolicy),
});

/** A policy as the settings file writes it. */
export function summaryOf({ name, ...rest }: { readonly name: string }): z.output<typeof policySummary> {
  return policySummary.parse({ policy: name, ...rest });
}
