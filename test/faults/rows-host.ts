/** What happens to a host, and to the process that reads from it, while a run is under way. */

import { randomBytes } from 'node:crypto';
import { connectNbd } from '#lib/nbd/connect.ts';
import { Secret } from '#lib/secret.ts';
import { parseSha256 } from '#lib/units.ts';
import { type RunningNbdServer, startNbdkit } from '../servers/nbd-servers.ts';
import type { FaultSite } from './fault-site.ts';
import { killedReader } from './killed-reader.ts';
import type { FaultRow } from './row.ts';

const ALL_THE_TIME = 'all the time';
const UNTIL_END = 'until the run ends';

/** At the first read of the disk. */
const inTheMiddle =
  (strike: (site: FaultSite) => void): FaultRow['arrange'] =>
  (site) => {
    site.onFirstRead = () => strike(site);
  };

const HOST: readonly FaultRow[] = [
  {
    on: 'host',
    fault: 'the host dies and comes back while its disk is read',
    strikes: 'once',
    outcome: 'completed',
    arrange: inTheMiddle((site) => site.lone.sim.crashHost()),
  },
  {
    on: 'host',
    fault: 'every session is ended while the disk is read',
    strikes: 'once',
    outcome: 'completed',
    arrange: inTheMiddle((site) => site.lone.sim.expireSessions()),
  },
  {
    on: 'host',
    fault: 'every session is ended before the run begins, and the readers connect with it',
    strikes: 'once',
    outcome: 'completed',
    isState: true,
    arrange: (site) => site.lone.sim.expireSessions(),
  },
  {
    on: 'host',
    fault: 'the coordinator has moved to a host that the settings know',
    strikes: ALL_THE_TIME,
    outcome: 'completed',
    isState: true,
    arrange(site) {
      const [url = ''] = site.lone.sim.supporterUrls;
      const { host } = site.lone.pool;
      site.poolChanges = { host: { ...host, url }, redirects: [host] };
    },
  },
  {
    on: 'host',
    fault: 'the coordinator has moved to a host that the settings do not know',
    strikes: ALL_THE_TIME,
    outcome: ['NotCoordinator'],
    isState: true,
    person: 'add the host with its fingerprint to the settings',
    arrange(site) {
      const [url = ''] = site.lone.sim.supporterUrls;
      site.poolChanges = { host: { ...site.lone.pool.host, url } };
    },
  },
  {
    on: 'host',
    fault: "the certificate of the host's API was replaced",
    strikes: ALL_THE_TIME,
    outcome: ['HostCertificateMismatch'],
    isState: true,
    person: "compare the new fingerprint with the host's console and put it into the settings",
    arrange(site) {
      site.poolChanges = {
        host: { ...site.lone.pool.host, pin: { kind: 'fingerprint', sha256: parseSha256('ab'.repeat(32)) } },
      };
    },
  },
  {
    on: 'host',
    fault: 'the NBD server still shows the certificate from before it was replaced',
    strikes: ALL_THE_TIME,
    outcome: ['NbdCertificateMismatch'],
    isState: true,
    person: 'restart the NBD service of the host (xapi-nbd)',
    arrange: (site) => void Object.assign(site.lone.sim.faults, { nbdCertificate: 'replaced' }),
    repair: (site) => void Object.assign(site.lone.sim.faults, { nbdCertificate: 'current' }),
  },
  {
    on: 'host',
    fault: 'the NBD server shows a certificate that was renewed with its key',
    strikes: ALL_THE_TIME,
    outcome: 'completed',
    isState: true,
    arrange: (site) => void Object.assign(site.lone.sim.faults, { nbdCertificate: 'renewed' }),
    repair: (site) => void Object.assign(site.lone.sim.faults, { nbdCertificate: 'current' }),
  },
  {
    on: 'host',
    fault: 'the password was changed',
    strikes: ALL_THE_TIME,
    outcome: ['WrongCredentials'],
    isState: true,
    person: 'store the new password in Secrets Manager',
    arrange(site) {
      site.poolChanges = {
        credentials: () => Promise.resolve({ username: 'root', password: new Secret(randomBytes(8).toString('hex')) }),
      };
    },
  },
  {
    on: 'host',
    fault: 'all 16 NBD connections are taken',
    strikes: UNTIL_END,
    outcome: ['HostBusy'],
    isState: true,
    arrange: (site) => void Object.assign(site.lone.sim.faults, { nbdRefuses: true }),
    repair: (site) => void Object.assign(site.lone.sim.faults, { nbdRefuses: false }),
  },
  {
    on: 'host',
    fault: 'answers to calls are lost after the call was carried out',
    strikes: '2 times',
    outcome: 'completed',
    isState: true,
    arrange: (site) => void Object.assign(site.lone.sim.faults, { lostAnswers: 2 }),
  },
  {
    on: 'host',
    fault: 'a bad sector under a changed block',
    strikes: UNTIL_END,
    outcome: ['NbdReadFailed'],
    isState: true,
    person: 'repair or replace the storage under the disk; no backup can read what it does not give',
    arrange: (site) => void Object.assign(site.lone.sim.faults, { nbdBadByte: 5 * 65_536 }),
    repair: (site) => void Object.assign(site.lone.sim.faults, { nbdBadByte: undefined }),
  },
];

const nbdkits: RunningNbdServer[] = [];

/** The disk as nbdkit serves it, behind one of its filters. */
async function behindFilter(
  site: FaultSite,
  filter: { readonly filters: readonly string[]; readonly settings: readonly string[] },
): Promise<void> {
  const { VDI } = site.lone.sim.world.db;
  const newest = VDI.refs()
    .map((ref) => VDI.get(ref))
    .filter(({ is_a_snapshot, type }) => !is_a_snapshot && type === 'user')
    .at(-1);
  const file = await site.lone.imageFile(`${newest?.uuid}.raw`, await site.lone.diskBytes(newest?.uuid ?? ''));
  const server = await startNbdkit({ plugin: ['file', file, ...filter.settings], filters: filter.filters });
  nbdkits.push(server);
  const deadlines = { connectMs: 1_000, greetingMs: 1_000, exportMs: 1_000, progressMs: 1_500, closeMs: 500 };
  const endpoint = {
    address: server.address,
    port: server.port,
    exportName: new Secret('x'),
    security: { kind: 'insecure' },
  } as const;
  site.otherSource = (signal) => connectNbd(endpoint, { signal, deadlines });
}

async function stopNbdkits(): Promise<void> {
  for (const server of nbdkits.splice(0)) await server[Symbol.asyncDispose]();
}

function filterRow(
  fault: string,
  filters: readonly string[],
  rest: { settings: readonly string[]; strikes?: string; outcome: FaultRow['outcome'] },
): FaultRow {
  const { settings, strikes = ALL_THE_TIME, outcome } = rest;
  return {
    on: 'NBD',
    fault: `nbdkit: ${fault}`,
    strikes,
    outcome,
    arrange: (site) => behindFilter(site, { filters, settings }),
    repair: stopNbdkits,
  };
}

const NBDKIT: readonly FaultRow[] = [
  filterRow('every read fails with EIO', ['error'], {
    settings: ['error-pread=EIO', 'error-pread-rate=100%'],
    outcome: ['NbdReadFailed'],
  }),
  filterRow('every read is 20 ms late', ['delay'], { settings: ['delay-read=20ms'], outcome: 'completed' }),
  filterRow('every read is later than the deadline', ['delay'], {
    settings: ['delay-read=5000ms'],
    outcome: ['NbdConnectionLost', 'StepOutOfTime'],
  }),
  filterRow('a rate of 16 Mbit/s', ['rate'], { settings: ['rate=16M'], outcome: 'completed' }),
  filterRow('the server ends when its first client leaves', ['exitlast'], {
    settings: [],
    strikes: 'once',
    outcome: 'completed',
  }),
  {
    on: 'NBD',
    fault: 'nbdkit: the server is killed while it is read from',
    strikes: UNTIL_END,
    outcome: ['NbdConnectionLost', 'NbdReadFailed'],
    async arrange(site) {
      await behindFilter(site, { filters: ['delay'], settings: ['delay-read=50ms'] });
      site.onFirstRead = () => void process.kill(nbdkits.at(-1)?.pid ?? 0, 'SIGKILL');
    },
    repair: stopNbdkits,
  },
];

const READER: readonly FaultRow[] = [
  {
    on: 'reader',
    fault: 'the process of the reader is killed by a signal in mid transfer',
    strikes: 'once',
    outcome: 'completed',
    isState: true,
    arrange: () => undefined,
    play: (site, { input }) => killedReader(site, input, 'signal'),
  },
  {
    on: 'reader',
    fault: 'the process of the reader runs out of memory in mid transfer',
    strikes: 'once',
    outcome: 'completed',
    isState: true,
    arrange: () => undefined,
    play: (site, { input }) => killedReader(site, input, 'memory'),
  },
];

export const HOST_ROWS: readonly FaultRow[] = [...HOST, ...NBDKIT, ...READER];
