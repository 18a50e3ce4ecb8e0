/** The pool a simulator starts with: hosts, networks, storage repositories and their drivers. */

import { randomUUID } from 'node:crypto';
import { srState, vdiState } from '#sim/api/storage-state.ts';
import type { Ref } from '#sim/database/database.ts';
import type { World } from './world.ts';

export interface NetworkOptions {
  readonly name: string;
  readonly purposes?: readonly ('nbd' | 'insecure_nbd')[];
  /** Extra IPv6 addresses of every host on this network, as the database holds them: with prefix length. */
  readonly ipv6?: readonly string[];
  readonly managed?: boolean;
}

export interface SrOptions {
  readonly name: string;
  readonly type: string;
  readonly physicalBytes?: number;
  /** Added to those of its driver, such as VDI_REVERT: they hold for every repository of the type. */
  readonly driverFeatures?: readonly string[];
}

/** Drivers with change tracking, and one without. */
const DRIVERS = [
  { type: 'ext', cbt: true },
  { type: 'nfs', cbt: true },
  { type: 'lvm', cbt: true },
  { type: 'linstor', cbt: false },
] as const;

const FEATURES = ['SR_PROBE', 'SR_UPDATE', 'VDI_CREATE', 'VDI_DELETE', 'VDI_ATTACH', 'VDI_DETACH', 'VDI_RESIZE'];
const COPY_FEATURES = ['VDI_CLONE', 'VDI_SNAPSHOT', 'VDI_UPDATE'];

/** Two TiB each, so that a space check passes unless a test wants it not to. */
const SR_BYTES = 2 * 1024 ** 4;

export const DEFAULT_SRS: readonly SrOptions[] = [
  { name: 'Local storage', type: 'ext' },
  { name: 'Volumes without CBT', type: 'linstor' },
];

export interface PoolPlan {
  readonly addresses: readonly string[];
  readonly networks: readonly NetworkOptions[];
  readonly srs: readonly SrOptions[];
}

/** Fills the database and answers the hosts, the coordinator first. */
export function setUpPool(world: World, plan: PoolPlan): readonly Ref[] {
  const { db } = world;
  const hosts = plan.addresses.map((address, index) => addHost(world, address, index));
  for (const driver of DRIVERS) addDriver(world, driver);
  const srs = plan.srs.map((options) => addSr(world, options, hosts));
  for (const [index, network] of plan.networks.entries()) addNetwork(world, { network, index, hosts });
  db.pool.create({
    name_label: 'Simulated pool',
    ...(hosts[0] === undefined ? {} : { master: hosts[0] }),
    ...(srs[0] === undefined ? {} : { default_SR: srs[0] }),
  });
  db.derived.set('pool', () => ({ restrictions: { restrict_cbt: String(world.faults.cbtRestricted) } }));
  db.derived.set('SR', (sr) => srState(world, sr));
  db.derived.set('VDI', (vdi) => vdiState(world, vdi));
  return hosts;
}

function addHost(world: World, address: string, index: number): Ref {
  const hostname = hostName(index);
  const host = world.db.host.create({
    name_label: hostname,
    hostname,
    address,
    software_version: { product_brand: 'XenServer', product_version: '8.4.0', platform_version: '3.4.0' },
  });
  const control_domain = world.db.VM.create({
    name_label: `Control domain on host: ${hostname}`,
    is_control_domain: true,
    power_state: 'Running',
    resident_on: host,
  });
  world.db.host.update(host, { control_domain });
  return host;
}

export function hostName(index: number): string {
  return `xenhost${index + 1}.test`;
}

function addDriver(world: World, { type, cbt }: (typeof DRIVERS)[number]): void {
  const names = [...FEATURES, ...COPY_FEATURES, ...(cbt ? ['VDI_CONFIG_CBT'] : [])];
  world.db.SM.create({
    name_label: type,
    type,
    vendor: 'Citrix Systems Inc',
    version: '1.0',
    capabilities: names,
    features: Object.fromEntries(names.map((name) => [name, '1'])),
  });
}

function addSr(world: World, options: SrOptions, hosts: readonly Ref[]): Ref {
  const { db } = world;
  const sr = db.SR.create({
    name_label: options.name,
    type: options.type,
    shared: hosts.length > 1,
    physical_size: options.physicalBytes ?? SR_BYTES,
  });
  for (const host of hosts) db.PBD.create({ host, SR: sr, uuid: randomUUID() });
  for (const driver of db.SM.where((row) => row.type === options.type)) {
    const added = options.driverFeatures?.map((name) => [name, '1']) ?? [];
    db.SM.update(driver, { features: { ...db.SM.get(driver).features, ...Object.fromEntries(added) } });
  }
  return sr;
}

function addNetwork(
  world: World,
  { network, index, hosts }: { network: NetworkOptions; index: number; hosts: readonly Ref[] },
): void {
  const { db } = world;
  const ref = db.network.create({
    name_label: network.name,
    bridge: `xenbr${index}`,
    managed: network.managed ?? true,
    purpose: network.purposes ?? [],
  });
  for (const host of hosts) {
    db.PIF.create({
      host,
      network: ref,
      device: `eth${index}`,
      IP: db.host.get(host).address,
      IPv6: network.ipv6 ?? [],
      management: index === 0,
    });
  }
}
