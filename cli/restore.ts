/** blockferry restore: a disk of a restore point into a file. */

import type { Command } from 'commander';
import { diskOfPoint, findPoint } from '#lib/restore/points.ts';
import { RawFile } from '#lib/restore/raw-file.ts';
import { type RestoreProgress, restoreImage } from '#lib/restore/restore-image.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { formatBytes, formatDuration } from './console-text.ts';
import { addVaultOptions, openVault, type VaultOptions } from './vault-options.ts';

interface RestoreOptions extends VaultOptions {
  readonly to: string;
  readonly vm?: string;
  readonly disk?: string;
  readonly json?: boolean;
}

export function addRestore(program: Command): void {
  addVaultOptions(program.command('restore'))
    .argument('<point>', 'name of the restore point, a unique beginning of it, or "latest"')
    .description('restore a disk of a restore point into a sparse raw file')
    .requiredOption('--to <file>', 'the file to make; it must not exist yet')
    .option('--vm <uuid or name>', 'the VM, where the point alone does not say')
    .option('--disk <uuid, position or name>', 'the disk, where the VM has several')
    .option('--json', 'the result as one JSON object')
    .addHelpText(
      'after',
      '\nExample:\n  blockferry restore latest --vm web-1 --disk 0 --to web-1.raw --vault s3://my-vault\n',
    )
    .action(restore);
}

async function restore(name: string, options: RestoreOptions): Promise<void> {
  using vault = openVault(options);
  const point = await findPoint(vault.store, { point: name, vm: options.vm });
  const { disk, seq } = diskOfPoint(point, options.disk);
  const content = await DiskContent.open(vault.store, { disk, seq });
  const startedMs = Date.now();
  const result = await restoreToFile(content, options, startedMs);
  const tookMs = Date.now() - startedMs;
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ point: point.name, disk, to: options.to, ...result, tookMs })}\n`);
  } else {
    process.stdout.write(
      `restored disk ${disk} of ${point.name} to ${options.to}: ${formatBytes(result.diskBytes)}, ` +
        `${formatBytes(result.writtenBytes)} of it data, in ${formatDuration(tookMs)}\n`,
    );
  }
}

async function restoreToFile(
  content: DiskContent,
  options: RestoreOptions,
  startedMs: number,
): Promise<RestoreProgress> {
  const file = await RawFile.create(options.to, content.diskBytes);
  try {
    const onProgress = options.json || !process.stderr.isTTY ? undefined : progressLine(startedMs);
    const result = await restoreImage(content, file, onProgress === undefined ? {} : { onProgress });
    await file.finish();
    return result;
  } catch (cause) {
    await file.discard();
    throw cause;
  }
}

/** Between two lines: a terminal shows no more, and drawing must not cost what restoring needs. */
const REDRAW_MS = 200;

function progressLine(startedMs: number): (progress: RestoreProgress) => void {
  let drawnMs = 0;
  return ({ doneBytes, diskBytes }) => {
    const nowMs = Date.now();
    if (nowMs - drawnMs < REDRAW_MS && doneBytes < diskBytes) return;
    drawnMs = nowMs;
    const tookMs = nowMs - startedMs;
    const leftMs = doneBytes === 0 ? 0 : (tookMs / doneBytes) * (diskBytes - doneBytes);
    const percent = Math.floor((100 * doneBytes) / Math.max(1, diskBytes));
    const rate = formatBytes(Math.round((doneBytes * 1000) / Math.max(1, tookMs)));
    process.stderr.write(
      `\r\x1b[K${percent} % of ${formatBytes(diskBytes)}, ${rate}/s, ${formatDuration(leftMs)} left`,
    );
    if (doneBytes >= diskBytes) process.stderr.write('\r\x1b[K');
  };
}
