/** The addresses at which a disk or its snapshot can be read, as the connection object keeps them. */

import { readNbdNetworks, whyNoNbd } from '#lib/host/nbd-networks.ts';
import type { DiskId } from '#lib/units.ts';
import { readNbdInfo } from '#lib/xapi/nbd-info.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { findVdi } from '#lib/xapi/vdi.ts';
import type { NbdExport } from './connection-document.ts';
import { NbdNotOffered } from './failures.ts';
import type { PoolSettings } from './host-access.ts';

/** Throws NbdNotOffered when no network of the pool carries NBD for this disk. */
export async function nbdExports(
  session: XapiSession,
  { disk, vdi, pool }: { disk: DiskId; vdi: DiskId; pool: Pick<PoolSettings, 'name' | 'nbd'> },
): Promise<NbdExport[]> {
  const addresses = await readNbdInfo(session, await findVdi(session, vdi));
  if (addresses.length === 0) {
    const why = whyNoNbd(await readNbdNetworks(session));
    throw new NbdNotOffered(`The hosts of pool ${pool.name} offer no NBD address for disk ${disk}: ${why}`);
  }
  return addresses.map(({ address, port, exportName, certificatePem, subject }) => ({
    address,
    port,
    exportName,
    security: pool.nbd === 'tls' ? { kind: 'tls', certificatePem, subject } : { kind: 'insecure' },
  }));
}
