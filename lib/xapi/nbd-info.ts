/** Where and how a disk can be read over NBD. */

import * as z from 'zod/mini';
import { Secret } from '#lib/secret.ts';
import type { XapiCaller } from './session.ts';
import { integer, type VdiRef } from './wire-types.ts';

const nbdRecords = z.pipe(
  z.array(
    z.object({
      exportname: z.string().check(z.minLength(1)),
      address: z.string().check(z.minLength(1)),
      port: integer,
      cert: z.string().check(z.minLength(1)),
      subject: z.string(),
    }),
  ),
  z.transform((wire) =>
    wire.map((record) => ({
      // Holds the session reference, which is a password for everything its user may do.
      exportName: new Secret(record.exportname),
      address: record.address,
      port: record.port,
      certificatePem: record.cert,
      subject: record.subject,
    })),
  ),
);

/** One way to a disk. `subject` is the name in the certificate, to be verified instead of the address. */
export type NbdAddress = z.output<typeof nbdRecords>[number];

/**
 * The IPv4 ways to a disk, in the host's order, which means nothing. None at all means that no network of a host with
 * this SR has the purpose nbd: not an error of the call. There is no Async variant of it. One dead host whose SR is
 * still attached makes the whole call fail with `HostOffline`.
 */
export async function readNbdInfo(session: XapiCaller, vdi: VdiRef): Promise<readonly NbdAddress[]> {
  const addresses = await session.read('VDI.get_nbd_info', [vdi], nbdRecords);
  // The host lists its IPv6 addresses too, with a prefix length behind them, but its NBD server listens on IPv4 only.
  return addresses.filter((entry) => !entry.address.includes(':'));
}
