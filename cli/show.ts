/** blockferry show: one restore point in full, and how to get it back. */

import type { Command } from 'commander';
import type { HostCheck } from '#lib/format/receipt.ts';
import { findPoint, type NamedPoint } from '#lib/restore/points.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { formatBytes, formatDuration, formatTable, formatTime } from './console-text.ts';
import { addVaultOptions, openVault, type VaultOptions } from './vault-options.ts';
import { type Verified, VerifiedPoints, verifiedText } from './verified.ts';

interface ShowOptions extends VaultOptions {
  readonly vm?: string;
  readonly json?: boolean;
}

type ShownDisk = NamedPoint['point']['disks'][number] & {
  readonly dataBytes: number;
  readonly verified: Verified;
};

/** What is said of a connection to the host, by how it proved who it is. */
const HOST_CHECKS: Readonly<Record<HostCheck, string>> = {
  certificate: 'proved itself by the certificate that its API names',
  'public-key': 'proved itself by the public key that its API names, with a renewed certificate',
  authority: 'proved itself by a certificate of the authority that its API names',
  none: 'proved nothing: it was read without TLS',
};

export function addShow(program: Command): void {
  addVaultOptions(program.command('show'))
    .argument('<point>', 'name of the restore point, a unique beginning of it, or "latest"')
    .description('show a restore point: its disks, what was stored and why')
    .option('--vm <uuid or name>', 'the VM, where the point alone does not say')
    .option('--json', 'one JSON object instead of text')
    .addHelpText('after', '\nExample:\n  blockferry show latest --vm web-1 --vault s3://my-vault\n')
    .action(async (query: string, options: ShowOptions) => {
      using vault = openVault(options);
      const found = await findPoint(vault.store, { point: query, vm: options.vm });
      const verifiedPoints = new VerifiedPoints(vault.store);
      const disks: ShownDisk[] = [];
      for (const disk of found.point.disks) {
        // Opening the content also proves that the ledger and the manifest of the disk are there and belong together.
        const { dataBytes } = await DiskContent.open(vault.store, disk);
        disks.push({ ...disk, dataBytes, verified: await verifiedPoints.ofDisk(disk) });
      }
      const json = { name: found.name, ...found.point, disks };
      process.stdout.write(options.json ? `${JSON.stringify(json)}\n` : textOf(found, disks));
    });
}

function textOf({ name, point }: NamedPoint, disks: readonly ShownDisk[]): string {
  const { measured } = point;
  const rows = disks.map((disk) => [
    disk.device,
    disk.name,
    formatBytes(disk.diskBytes),
    formatBytes(disk.dataBytes),
    formatBytes(disk.storedBytes),
    disk.full === undefined ? disk.kind : `full: ${disk.full.because}`,
    verifiedText(disk.verified),
    disk.disk,
  ]);
  const cures = disks.flatMap(({ device, full }) => (full === undefined ? [] : [`  disk ${device}: ${full.cure}`]));
  return [
    `Point    ${name}`,
    `VM       ${point.vmName} (${point.vm}) of pool ${point.pool}`,
    `Time     ${formatTime(point.time)}, finished after ${formatDuration(point.finished.getTime() - point.time.getTime())}`,
    `Read     ${formatBytes(measured.nbdBytes)} from the host in ${measured.nbdRequests} requests`,
    ...(measured.hostChecks ?? []).map((check) => `Host     ${HOST_CHECKS[check]}`),
    `Metadata ${point.metadataKey ?? 'none'}`,
    '',
    formatTable(['DISK', 'NAME', 'SIZE', 'DATA', 'STORED', 'KIND', 'VERIFIED', 'UUID'], rows),
    ...(cures.length === 0 ? [] : ['', 'To have an increment next time:', ...cures]),
    '',
    `Restore it with: blockferry restore ${name} --disk ${disks[0]?.device ?? '0'} --to <file>`,
    '',
  ].join('\n');
}
