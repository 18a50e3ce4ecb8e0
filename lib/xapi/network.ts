/** Networks, of which one has to have the purpose nbd, and the interfaces of the hosts on them. */

import * as z from 'zod/mini';
import type { XapiCaller } from './session.ts';
import {
  hostRef,
  type NetworkRef,
  networkRef,
  nothing,
  type PifRef,
  pifRef,
  recordsByRef,
  texts,
} from './wire-types.ts';

const networkRecord = z.pipe(
  z.object({
    uuid: z.string(),
    name_label: z.string(),
    PIFs: z.array(pifRef),
    // Hosts before XenServer 7.3 have no such field.
    purpose: z.optional(texts),
  }),
  z.transform((wire) => ({
    uuid: wire.uuid,
    nameLabel: wire.name_label,
    pifs: wire.PIFs,
    purposes: wire.purpose ?? [],
  })),
);

export type NetworkRecord = z.output<typeof networkRecord> & { readonly ref: NetworkRef };

const networkRecords = recordsByRef(networkRef, networkRecord);

export function readAllNetworks(session: XapiCaller): Promise<readonly NetworkRecord[]> {
  return session.read('network.get_all_records', [], networkRecords);
}

/** Whether disks can be read over NBD with TLS through this network. `insecure_nbd` is not enough for us. */
export function servesNbd(network: NetworkRecord): boolean {
  return network.purposes.includes('nbd');
}

/** Needs pool-admin; adding a purpose that is there is no error. Allow 10 s for the hosts' firewalls to follow. */
export function addNbdPurpose(session: XapiCaller, network: NetworkRef): Promise<void> {
  return session.change('network.add_purpose', [network, 'nbd'], nothing);
}

const pifRecord = z.pipe(
  z.object({
    uuid: z.string(),
    device: z.string(),
    host: hostRef,
    network: networkRef,
    IP: z.string(),
    currently_attached: z.boolean(),
    management: z.boolean(),
  }),
  z.transform((wire) => ({
    uuid: wire.uuid,
    device: wire.device,
    host: wire.host,
    network: wire.network,
    /** IPv4 address, or null without one. */
    ipv4: wire.IP === '' ? null : wire.IP,
    currentlyAttached: wire.currently_attached,
    management: wire.management,
  })),
);

export type PifRecord = z.output<typeof pifRecord> & { readonly ref: PifRef };

const pifRecords = recordsByRef(pifRef, pifRecord);

export function readAllPifs(session: XapiCaller): Promise<readonly PifRecord[]> {
  return session.read('PIF.get_all_records', [], pifRecords);
}
