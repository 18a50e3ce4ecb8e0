/** A XenServer pool in one process: the API over HTTPS and NBD with TLS, with the host's real quirks. */

import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Dispatcher } from '#sim/api/dispatcher.ts';
import type { User } from '#sim/api/roles.ts';
import { Database, type Ref } from '#sim/database/database.ts';
import { CbtLogs } from '#sim/disks/cbt.ts';
import { DiskStore } from '#sim/disks/disk-layers.ts';
import { NbdServer } from '#sim/nbd/nbd-server.ts';
import { resourceHandlers } from '#sim/transfer/resources.ts';
import { XapiServer } from '#sim/wire/xapi-server.ts';
import { HOST_CURVE, HostCertificates } from './certificates.ts';
import { Counters } from './counters.ts';
import { type Faults, noFaults } from './faults.ts';
import { DEFAULT_SRS, hostName, type NetworkOptions, type SrOptions, setUpPool } from './pool-setup.ts';
import { Simulator } from './running-simulator.ts';
import { FAITHFUL_TIMINGS, type Timings } from './timings.ts';
import { SimulatedClock, type World } from './world.ts';

export type { Simulator };

export interface SimulatorOptions {
  /** The pool administrator; more users go into `users`. */
  readonly credentials?: { readonly username: string; readonly password: string };
  readonly users?: readonly User[];
  /** Where disk files live; a temporary folder, removed at the end, unless given. */
  readonly directory?: string;
  readonly faults?: Partial<Faults>;
  /** Replaces single delays of the faithful set; FAST_TIMINGS replaces all. */
  readonly timings?: Partial<Timings>;
  readonly nbdConnectionLimit?: number;
  readonly networks?: readonly NetworkOptions[];
  readonly srs?: readonly SrOptions[];
  /** Other hosts of the pool, at 127.0.0.2 and up on the same ports; they answer HOST_IS_SLAVE. */
  readonly supporters?: number;
  /** Fixed ports instead of free ones. */
  readonly apiPort?: number;
  readonly nbdPort?: number;
  /** P-384 unless given, as on a real host; a test of thousands of connections takes one a tenth as dear. */
  readonly ecdhCurve?: string;
}

/** The limit of the real daemon, per host. */
const NBD_CONNECTION_LIMIT = 16;

const DEFAULT_NETWORKS: readonly NetworkOptions[] = [{ name: 'Pool-wide network', purposes: ['nbd'] }];

export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const credentials = options.credentials ?? { username: 'root', password: randomUUID() };
  const folder = options.directory ?? (await mkdtemp(join(tmpdir(), 'xenserver-')));
  const addresses = Array.from({ length: 1 + (options.supporters ?? 0) }, (_, index) => `127.0.0.${index + 1}`);
  const world = await makeWorld(options, { folder, addresses, credentials });
  const plan = { addresses, networks: options.networks ?? DEFAULT_NETWORKS, srs: options.srs ?? DEFAULT_SRS };
  const hosts = setUpPool(world, plan);
  const servers = await listen(world, hosts, options);
  return new Simulator({
    world,
    hosts,
    credentials,
    servers,
    cleanUp: async () => {
      if (options.directory === undefined) await rm(folder, { recursive: true, force: true });
    },
  });
}

interface Place {
  readonly folder: string;
  readonly addresses: readonly string[];
  readonly credentials: { readonly username: string; readonly password: string };
}

async function makeWorld(options: SimulatorOptions, { folder, addresses, credentials }: Place): Promise<World> {
  if (!(await stat(folder)).isDirectory()) throw new Error(`${folder} is no folder`);
  return {
    db: new Database(),
    store: new DiskStore(folder),
    images: new Map(),
    cbt: new CbtLogs(),
    faults: { ...noFaults(), ...options.faults },
    timings: { ...FAITHFUL_TIMINGS, ...options.timings },
    counters: new Counters(),
    users: [{ ...credentials, role: 'pool-admin' }, ...(options.users ?? [])],
    clock: new SimulatedClock(),
    sessionRoles: new Map(),
    srOperations: new Map(),
    coalescingSince: new Map(),
    taskAborts: new Map(),
    stopping: new AbortController(),
    nbdConnectionLimit: options.nbdConnectionLimit ?? NBD_CONNECTION_LIMIT,
    endpoints: { apiPort: 0, nbdPort: 0 },
    certificates: await HostCertificates.make(hostName(0), addresses),
    ecdhCurve: options.ecdhCurve ?? HOST_CURVE,
  };
}

/** All hosts listen on the coordinator's ports, as real ones do: a redirect names an address only. */
async function listen(world: World, hosts: readonly Ref[], options: SimulatorOptions) {
  const parts = { world, dispatcher: new Dispatcher(world), resources: resourceHandlers(world) };
  const api = hosts.map((host) => new XapiServer(parts, host));
  const nbd = hosts.map((host) => new NbdServer(world, host));
  let apiPort = options.apiPort ?? 0;
  let nbdPort = options.nbdPort ?? 0;
  for (const [index, host] of hosts.entries()) {
    const { address } = world.db.host.get(host);
    apiPort = (await api[index]?.listen(apiPort, address)) ?? apiPort;
    nbdPort = (await nbd[index]?.listen(nbdPort, address)) ?? nbdPort;
  }
  world.endpoints = { apiPort, nbdPort };
  return { api, nbd };
}
