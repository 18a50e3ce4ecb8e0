/** The addresses at which a disk's snapshot can be read, as the connection object keeps them. */

import { readNbdNetworks, whyNoNbd } from '#lib/host/nbd-networks.ts';
import { readNbdInfo } from '#lib/xapi/nbd-info.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { findVdi } from '#lib/xapi/vdi.ts';
import type { NbdExport } from './connection-document.ts';
import { NbdNotOffered } from './failures.ts';
import type { PoolSettings } from './host-access.ts';
import type { ComparedDisk } from './run-record.ts';

/** Throws NbdNotOffered when no network of the pool carries NBD for this disk. */
export async function nbdExports(
  session: XapiSession,
  { disk, pool }: { disk: ComparedDisk; pool: PoolSettings },
): Promise<NbdExport[]> {
  const addresses = await readNbdInfo(session, await findVdi(session, disk.progress.snapshot));
  if (addresses.length === 0) {
    const why = whyNoNbd(await readNbdNetworks(session));
    throw new NbdNotOffered(`The hosts of pool ${pool.name} offer no NBD address for disk ${disk.disk}: ${why}`);
  }
  return addresses.map(({ address, port, exportName, certificatePem, subject }) => ({
    address,
    port,
    exportName,
    security: pool.nbd === 'tls' ? { kind: 'tls', certificatePem, subject } : { kind: 'insecure' },
  }));
}
