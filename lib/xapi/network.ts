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
    bridge: z.string(),
    PIFs: z.array(pifRef),
    // Hosts before XenServer 7.3 have no such field.
    purpose: z.optional(texts),
  }),
  z.transform((wire) => ({
    uuid: wire.uuid,
    nameLabel: wire.name_label,
    /** Name of the virtual switch on the hosts, `xenbr0` for the first interface of every pool. */
    bridge: wire.bridge,
    pifs: wire.PIFs,
    purposes: wire.purpose ?? [],
  })),
);

export type NetworkRecord = z.output<typeof networkRecord> & { readonly ref: NetworkRef };

const networkRecords = recordsByRef(networkRef, networkRecord);

export function readAllNetworks(session: XapiCaller): Promise<readonly NetworkRecord[]> {
  return session.read('network.get_all_records', [], networkRecords);
}

/** `nbd`: TLS is forced. `insecure_nbd`: there is no TLS at all. In one pool they exclude each other. */
export type NbdPurpose = 'nbd' | 'insecure_nbd';

export function hasPurpose(network: NetworkRecord, purpose: NbdPurpose): boolean {
  return network.purposes.includes(purpose);
}

/** Needs pool-admin; adding a purpose that is there is no error. Allow 10 s for the hosts' firewalls to follow. */
export function addPurpose(session: XapiCaller, network: NetworkRef, purpose: NbdPurpose): Promise<void> {
  return session.change('network.add_purpose', [network, purpose], nothing);
}

/** Needs pool-admin; removing a purpose that is not there is no error. Connections that are open stay open. */
export function removePurpose(session: XapiCaller, network: NetworkRef, purpose: NbdPurpose): Promise<void> {
  return session.change('network.remove_purpose', [network, purpose], nothing);
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
