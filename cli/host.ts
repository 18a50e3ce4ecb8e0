/** blockferry host nbd: NBD on the networks of a pool. */

import type { Command } from 'commander';
import { openHostSession } from '#lib/backup/host-access.ts';
import { disableNbd, enableNbd, findNetwork, readNbdNetworks, waitForNbd } from '#lib/host/nbd-networks.ts';
import { describeAnswer } from '#lib/host/nbd-probe.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { systemClock } from '#local/states/system-clock.ts';
import { formatTable } from './console-text.ts';
import { addHostOptions, type HostOptions, poolOf } from './host-options.ts';
import { UsageError } from './vault-options.ts';

interface NbdOptions extends HostOptions {
  readonly json?: boolean;
  readonly insecureLab?: boolean;
}

/** Setting a purpose takes a second; that it works is waited for up to 90 s. */
const DEADLINE_MS = 5 * 60_000;

export function addHost(program: Command): void {
  const nbd = program.command('host').description('look after the hosts of a pool').command('nbd');
  nbd.description('NBD on the networks of the pool, through which disks are read');
  addHostOptions(nbd.command('status'))
    .description('which network carries NBD, and the interfaces on it')
    .option('--json', 'one JSON array instead of a table')
    .action(status);
  addHostOptions(nbd.command('enable'))
    .argument('<network>', 'name or uuid')
    .description('let disks be read through a network, and wait until that works; needs pool-admin')
    .option('--insecure-lab', 'without TLS: everybody on the network can read the disks that are backed up')
    .action(enable);
  addHostOptions(nbd.command('disable'))
    .argument('<network>', 'name or uuid')
    .description('stop that; a running backup loses its way to the disks')
    .action(disable);
}

async function status(options: NbdOptions): Promise<void> {
  await using session = await openSession(options);
  const networks = await readNbdNetworks(session);
  const shown = networks.map(({ network: { uuid, nameLabel, purposes }, interfaces }) => ({
    uuid,
    name: nameLabel,
    nbd: purposes.find((purpose) => purpose === 'nbd' || purpose === 'insecure_nbd') ?? 'off',
    interfaces,
  }));
  const rows = shown.map(({ name, nbd, interfaces }) => [
    name,
    nbd,
    interfaces.map(({ host, device, address }) => `${host} ${device} ${address ?? 'without IPv4'}`).join(', '),
  ]);
  process.stdout.write(
    options.json ? `${JSON.stringify(shown)}\n` : `${formatTable(['NETWORK', 'NBD', 'INTERFACES'], rows)}\n`,
  );
}

async function enable(wanted: string, options: NbdOptions): Promise<void> {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  await using session = await openSession(options, signal);
  const networks = await readNbdNetworks(session);
  const network = findNetwork(networks, wanted);
  if (options.insecureLab) {
    process.stderr.write('warning: without TLS everybody on this network can read the disks; for a lab only\n');
  }
  await enableNbd(session, networks, { network, purpose: options.insecureLab ? 'insecure_nbd' : 'nbd' });
  process.stderr.write('set; waiting until an NBD server answers, which takes 10 s and more\n');
  const answers = await waitForNbd(session, { clock: systemClock, signal });
  process.stdout.write(answers.map((answer) => `${describeAnswer(answer)}\n`).join(''));
}

async function disable(wanted: string, options: NbdOptions): Promise<void> {
  await using session = await openSession(options);
  const network = findNetwork(await readNbdNetworks(session), wanted);
  await disableNbd(session, network);
  process.stdout.write(`NBD is off for ${network.nameLabel}\n`);
}

function openSession(options: NbdOptions, signal = AbortSignal.timeout(DEADLINE_MS)): Promise<XapiSession> {
  const { fingerprint } = options;
  if (fingerprint === undefined) {
    throw new UsageError('no fingerprint is pinned; blockferry doctor --host <url> prints the one to compare');
  }
  return openHostSession(poolOf({ ...options, fingerprint }), undefined, { clock: systemClock, signal });
}
