/** Restore points as a run would leave them, with the figures that a test wants to see again. */

import { createHash } from 'node:crypto';
import { encodeDocument, HEAD } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { VmPoint } from '#lib/format/point.ts';
import { GRAIN_BYTES, parseDiskId, parseRunId, parseVmId, type VmId } from '#lib/units.ts';

const hex = (text: string, digits: number) => createHash('sha256').update(text).digest('hex').slice(0, digits);

/** The same id for the same word. */
export function idOf(word: string): string {
  return hex(word, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

export interface PointShape {
  readonly vmName: string;
  readonly time: Date;
  readonly seq: number;
  readonly kind?: 'full' | 'incremental';
  readonly dataGrains: number;
  readonly unchangedGrains?: number;
  readonly storedBytes: number;
}

export function pointOf({ vmName, time, seq, kind = 'incremental', ...shape }: PointShape): VmPoint {
  const { dataGrains, unchangedGrains = 0, storedBytes } = shape;
  return {
    ...HEAD,
    requires: [],
    vm: parseVmId(idOf(vmName)),
    vmName,
    pool: 'lab',
    run: parseRunId(hex(`${vmName} ${seq}`, 16)),
    execution: `arn:aws:states:us-east-1:0:execution:backup:${vmName}-${seq}`,
    time,
    finished: new Date(time.getTime() + 60_000),
    disks: [
      {
        disk: parseDiskId(idOf(`disk of ${vmName}`)),
        seq,
        name: 'root',
        device: '0',
        bootable: true,
        diskBytes: 100 * 1024 * 1_048_576,
        kind,
        ...(kind === 'full' ? { full: { because: seq === 1 ? 'first-backup' : 'cbt-off', cure: 'none needed' } } : {}),
        plannedBytes: (dataGrains + unchangedGrains) * GRAIN_BYTES,
        dataGrains,
        zeroGrains: 0,
        unchangedGrains,
        storedBytes,
      },
    ],
    measured: {
      nbdBytes: (dataGrains + unchangedGrains) * GRAIN_BYTES,
      nbdRequests: 10,
      readerMs: 60_000,
      readerCalls: 2,
      requests: { puts: 20, gets: 30, sentBytes: storedBytes, receivedBytes: 1000 },
    },
  };
}

export function keyOf(point: VmPoint): string {
  return vaultKeys.point(point.vm, point);
}

export function vmIdOf(vmName: string): VmId {
  return parseVmId(idOf(vmName));
}

export const encodePoint = (point: VmPoint): Buffer => encodeDocument(point);
