/** Restores a disk to a path of this machine: a sparse raw file, a dynamic VHD, or a block device. */

import { stat } from 'node:fs/promises';
import { grainsCovering, indexAfter } from '#lib/units.ts';
import type { DiskContent } from '#lib/vault/disk-content.ts';
import { BlockDevice } from './block-device.ts';
import { TargetCorrupted } from './failures.ts';
import { ImageFile, TargetUnusable } from './image-file.ts';
import { type RestoreOptions, type RestoreProgress, type RestoreTarget, restoreDisk } from './restore-disk.ts';
import { VhdLayout } from './vhd-layout.ts';

export interface FileOptions extends RestoreOptions {
  /** Reads the image back and compares every grain with its digest before the file gets its name. */
  readonly readBack?: boolean;
}

export interface RestoredFile extends RestoreProgress {
  /** Whether it went on where an interrupted attempt had stopped. */
  readonly resumed: boolean;
}

/** A sparse raw image. After an interruption the same call goes on; until then the file is called `<path>.partial`. */
export async function restoreRawFile(
  content: DiskContent,
  path: string,
  options: FileOptions = {},
): Promise<RestoredFile> {
  const identity = identityOf(content, 'raw');
  await using file = await ImageFile.open(path, { fileBytes: content.diskBytes, identity });
  return await restoreImage(content, { file, offsetOf: (diskOffset) => diskOffset }, options);
}

/** A dynamic VHD of the blocks that hold data; otherwise as restoreRawFile. */
export async function restoreVhdFile(
  content: DiskContent,
  path: string,
  options: FileOptions = {},
): Promise<RestoredFile> {
  const layout = new VhdLayout({
    diskBytes: content.diskBytes,
    data: await content.dataRuns({ first: 0, end: indexAfter(grainsCovering(content.diskBytes)) }),
    id: content.disk,
    created: content.entry.time,
  });
  const identity = identityOf(content, 'vhd');
  await using file = await ImageFile.open(path, { fileBytes: layout.fileBytes, identity });
  for (const { offsetBytes, data } of layout.structure()) await file.write(offsetBytes, data);
  return await restoreImage(content, { file, offsetOf: (diskOffset) => layout.fileOffsetOf(diskOffset) }, options);
}

/** The device must be at least as large as the disk; what lies behind the disk on it is left alone. */
export async function restoreBlockDevice(
  content: DiskContent,
  device: { readonly path: string; readonly before: 'unknown' | 'zeros' },
  options: RestoreOptions = {},
): Promise<RestoreProgress> {
  const { diskBytes } = content;
  await using target = await BlockDevice.open(device.path, { diskBytes, before: device.before });
  const done = await restoreDisk(content, target, options);
  await target.finish();
  return done;
}

export async function isBlockDevice(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isBlockDevice();
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return false;
    throw new TargetUnusable(`${path} cannot be looked at`, { cause });
  }
}

interface Image {
  readonly file: ImageFile;
  readonly offsetOf: (diskOffset: number) => number;
}

async function restoreImage(
  content: DiskContent,
  { file, offsetOf }: Image,
  options: FileOptions,
): Promise<RestoredFile> {
  const write: RestoreTarget['write'] = (offset, data) => file.write(offsetOf(offset), data);
  const readBack = (offset: number, lengthBytes: number) => file.read(offsetOf(offset), lengthBytes);
  const done = await restoreDisk(content, file.resumed ? { write, readBack } : { write }, options);
  if (options.readBack) {
    const again = await restoreDisk(content, { write, readBack });
    if (again.writtenBytes > 0) {
      throw new TargetCorrupted(
        `${again.writtenBytes} bytes of the image did not read back as they were written; check the disk it is on`,
      );
    }
  }
  await file.finish();
  return { ...done, resumed: file.resumed };
}

function identityOf(content: DiskContent, format: 'raw' | 'vhd'): string {
  const { disk, seq, manifest } = content.entry;
  return `${JSON.stringify({ disk, seq, manifest: manifest.headerSha256, format })}\n`;
}
