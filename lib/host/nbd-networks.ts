/** NBD on the networks of a pool: what is on, turning it on and off, and why there is no address. */

import type { Clock } from '#lib/clock.ts';
import {
  addPurpose,
  hasPurpose,
  type NbdPurpose,
  type NetworkRecord,
  type PifRecord,
  readAllNetworks,
  readAllPifs,
  removePurpose,
} from '#lib/xapi/network.ts';
import { readAllHosts } from '#lib/xapi/pool.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { NbdPurposesConflict, NbdStillSilent, UnknownNetwork } from './failures.ts';
import { describeAnswer, type NbdAnswer, probeNbd } from './nbd-probe.ts';

/** The hosts' firewalls follow a new purpose after 5 to 10 s; a loaded toolstack takes longer. */
const ANSWER_LIMIT_MS = 90_000;
const ANSWER_PAUSE_MS = 5_000;

export interface NbdInterface {
  readonly host: string;
  readonly device: string;
  /** IPv4, on which alone the NBD server listens. */
  readonly address: string | null;
  readonly attached: boolean;
}

export interface NbdNetwork {
  readonly network: NetworkRecord;
  readonly interfaces: readonly NbdInterface[];
}

/** Every network with the hosts' interfaces on it. */
export async function readNbdNetworks(session: XapiSession): Promise<readonly NbdNetwork[]> {
  const pifs = await readAllPifs(session);
  const names = new Map((await readAllHosts(session)).map((host) => [host.ref, host.nameLabel]));
  const interfaceOf = ({ host, device, ipv4, currentlyAttached }: PifRecord): NbdInterface => ({
    host: names.get(host) ?? 'unknown host',
    device,
    address: ipv4,
    attached: currentlyAttached,
  });
  const networks = await readAllNetworks(session);
  return networks.map((network) => ({
    network,
    interfaces: pifs.filter((pif) => pif.network === network.ref).map(interfaceOf),
  }));
}

/** Says for an empty list of NBD addresses what is missing where: the purpose, the address, or the cable. */
export function whyNoNbd(networks: readonly NbdNetwork[]): string {
  const purposed = networks.filter(({ network }) => hasPurpose(network, 'nbd') || hasPurpose(network, 'insecure_nbd'));
  if (purposed.length === 0) {
    const names = networks.map(({ network }) => JSON.stringify(network.nameLabel)).join(', ');
    return `no network has the purpose nbd (there are ${names}); turn it on with: blockferry host nbd enable <network>`;
  }
  const silent = purposed.flatMap(({ network, interfaces }) =>
    interfaces
      .filter(({ address, attached }) => address === null || !attached)
      .map(({ host, device, address }) => {
        const lack = address === null ? 'has no IPv4 address' : 'is unplugged';
        return `${device} of ${host} on ${JSON.stringify(network.nameLabel)} ${lack}`;
      }),
  );
  return silent.length > 0
    ? `${silent.join('; ')}; give it an address or choose another network`
    : 'the hosts on these networks do not have the storage of the disk attached; plug it there';
}

/** By uuid, or by a name that only one network has. Throws UnknownNetwork. */
export function findNetwork(networks: readonly NbdNetwork[], wanted: string): NetworkRecord {
  const found = networks.filter(({ network }) => network.uuid === wanted || network.nameLabel === wanted);
  const [only] = found;
  if (only !== undefined && found.length === 1) return only.network;
  const names = networks.map(({ network }) => `${network.nameLabel} (${network.uuid})`).join(', ');
  throw new UnknownNetwork(`${found.length} networks are called ${JSON.stringify(wanted)}; the pool has ${names}`);
}

/** Throws NbdPurposesConflict, with the networks that are in the way, before the host would refuse it without them. */
export async function enableNbd(
  session: XapiSession,
  networks: readonly NbdNetwork[],
  wish: { readonly network: NetworkRecord; readonly purpose: NbdPurpose },
): Promise<void> {
  const opposite: NbdPurpose = wish.purpose === 'nbd' ? 'insecure_nbd' : 'nbd';
  const inTheWay = networks.filter(({ network }) => hasPurpose(network, opposite));
  if (inTheWay.length > 0) {
    const names = inTheWay.map(({ network }) => JSON.stringify(network.nameLabel)).join(', ');
    throw new NbdPurposesConflict(
      `${wish.purpose} cannot be set while a network of the pool has ${opposite}: ${names}; disable it there first`,
    );
  }
  await addPurpose(session, wish.network.ref, wish.purpose);
}

/** Takes away whichever NBD purpose the network has; a running backup loses its way to the disks. */
export async function disableNbd(session: XapiSession, network: NetworkRecord): Promise<void> {
  for (const purpose of ['nbd', 'insecure_nbd'] as const) {
    if (hasPurpose(network, purpose)) await removePurpose(session, network.ref, purpose);
  }
}

/** Asks again and again until one NBD server answers. Throws NbdStillSilent with what the last try saw. */
export async function waitForNbd(
  session: XapiSession,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<readonly NbdAnswer[]> {
  for (let waitedMs = 0; ; waitedMs += ANSWER_PAUSE_MS) {
    const answers = await probeNbd(session, signal);
    if (answers.some(({ kind }) => kind === 'serves')) return answers;
    if (waitedMs >= ANSWER_LIMIT_MS) {
      const seen = answers.map(describeAnswer).join('; ');
      const why = seen === '' ? whyNoNbd(await readNbdNetworks(session)) : seen;
      throw new NbdStillSilent(`after ${ANSWER_LIMIT_MS / 1000} s no NBD server of the pool answers: ${why}`);
    }
    await clock.sleep(ANSWER_PAUSE_MS, signal);
  }
}
