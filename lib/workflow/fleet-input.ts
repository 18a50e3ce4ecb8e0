/** What starts a fleet run: a policy, which says which VMs of one pool are backed up and how. */

import * as z from 'zod/mini';
import { retentionPolicy } from '#lib/retention/policy.ts';
import { budget, HOST_CONNECTION_LIMIT, STORAGE_CLASSES } from './backup-input.ts';
import { uuid } from './contract.ts';

/**
 * VMs of one fleet run. Their ids and their ends travel in the state: 250 of each, an end at most 250 bytes long, stay
 * below the 64 KiB that a run allows itself of Step Functions' 256 KiB. A larger pool gets several policies.
 */
export const MAX_FLEET_VMS = 250;

/** Every run of it ends within 24 hours; two days leave room for those that waited for their turn. */
export const FLEET_LIMIT_HOURS = 48;

const names = z._default(z.array(z.string().check(z.minLength(1))), []);

/** A VM belongs to a choice if it is named in any of its lists. */
const choice = { uuids: z._default(z.array(uuid), []), names, tags: names };

export const fleetInput = z.strictObject({
  /** Name of the policy, for messages and metrics. */
  policy: z.string().check(z.minLength(1)),
  /** Name of the pool in the settings; may be left out when there is only one. */
  pool: z.optional(z.string()),
  select: z.union([z.literal('all'), z.strictObject(choice)]),
  exclude: z._default(z.strictObject(choice), { uuids: [], names: [], tags: [] }),
  /** Readers of each VM. VMs in parallel times readers never exceeds the connections that a host has. */
  readers: z.optional(z.number().check(z.int(), z.gte(1), z.lte(HOST_CONNECTION_LIMIT))),
  storageClass: z.optional(z.enum(STORAGE_CLASSES)),
  /** VDI uuids that are left out, beside the disks marked [NOBAK]. */
  excludeDisks: z.optional(z.array(uuid)),
  /** Of each VM. */
  budget: z.optional(budget),
  /** Which points of the policy stay; without it all do. */
  retention: z.optional(retentionPolicy),
});

/** What a fleet run of a policy of the settings file is started with: all of it but its time. */
export function fleetInputOf<
  Policy extends { readonly name: string; readonly at?: unknown; readonly timezone?: unknown },
>(policy: Policy) {
  const { name, at: _at, timezone: _timezone, ...choices } = policy;
  return { policy: name, ...choices };
}
