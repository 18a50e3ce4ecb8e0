/** The pool and its hosts. */

import * as z from 'zod/mini';
import { UnexpectedReply } from './failures.ts';
import type { XapiCaller } from './session.ts';
import { type HostRef, hostRef, integer, type PoolRef, poolRef, recordsByRef, textMap } from './wire-types.ts';

const poolRecord = z.pipe(
  z.object({ uuid: z.string(), name_label: z.string(), master: hostRef, restrictions: textMap }),
  z.transform((wire) => ({
    uuid: wire.uuid,
    nameLabel: wire.name_label,
    coordinator: wire.master,
    /** The licence of the pool refuses `enable_cbt`; disks that have it on already keep it. */
    cbtRestricted: wire.restrictions['restrict_cbt'] === 'true',
  })),
);

export type PoolRecord = z.output<typeof poolRecord> & { readonly ref: PoolRef };

const poolRecords = recordsByRef(poolRef, poolRecord);

/** The pool: a host knows exactly one, also when it stands alone. */
export async function readPool(session: XapiCaller): Promise<PoolRecord> {
  const [pool, ...others] = await session.read('pool.get_all_records', [], poolRecords);
  if (pool !== undefined && others.length === 0) return pool;
  throw new UnexpectedReply(`${session.hostName} lists ${others.length + (pool ? 1 : 0)} pools instead of one.`);
}

const hostRecord = z.pipe(
  z.object({
    uuid: z.string(),
    name_label: z.string(),
    hostname: z.string(),
    address: z.string(),
    enabled: z.boolean(),
    API_version_major: integer,
    API_version_minor: integer,
    software_version: textMap,
  }),
  z.transform((wire) => ({
    uuid: wire.uuid,
    nameLabel: wire.name_label,
    hostname: wire.hostname,
    address: wire.address,
    enabled: wire.enabled,
    /** XenAPI 2.8 (XenServer 7.3) is the first with changed block tracking. */
    apiVersion: { major: wire.API_version_major, minor: wire.API_version_minor },
    /** Among others `product_brand`, `product_version`, `xapi`. */
    softwareVersion: wire.software_version,
  })),
);

type HostRecord = z.output<typeof hostRecord>;

const hostRecords = recordsByRef(hostRef, hostRecord);

export function readAllHosts(session: XapiCaller): Promise<readonly (HostRecord & { readonly ref: HostRef })[]> {
  return session.read('host.get_all_records', [], hostRecords);
}
