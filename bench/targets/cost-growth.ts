/**
 * GROWTH: the same 10 GiB of changes on disks of 64 GiB to 16 TiB: what the reader takes must follow the changes, not the
 * disk. Draws docs/cost-growth.svg from what it measured.
 */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import { type Bytes, GIB, GRAIN_BYTES, grainsCovering, WINDOW_GRAINS } from '#lib/units.ts';
import { drawBars } from '../measuring/bar-chart.ts';
import type { Outcome } from '../measuring/outcome.ts';
import { randomNumbers } from '../stage/changes.ts';
import type { Stage } from '../stage/stage.ts';
import { type Increment, readIncrement } from './increment.ts';

const CHANGED_GRAINS = (10 * GIB) / GRAIN_BYTES;
const DISKS = [
  { name: '64 GiB', diskBytes: 64 * GIB },
  { name: '1 TiB', diskBytes: 1024 * GIB },
  { name: '4 TiB', diskBytes: 4096 * GIB },
  { name: '16 TiB', diskBytes: 16_384 * GIB },
];
/** The largest disk beside the smallest. */
const FIGURES = [
  { title: 'CPU seconds of the reader', of: ({ cpuSeconds }: Increment) => cpuSeconds, atMost: 1.3 },
  { title: 'requests to S3', of: ({ requests }: Increment) => requests, atMost: 1.1 },
  // On 64 GiB every sixth window changed, and neighbours are read in one request: at best 1 / (1 - 10 / 64) of them.
  { title: 'requests over NBD', of: ({ nbdRequests }: Increment) => nbdRequests, atMost: 1.2 },
  { title: 'KiB of shards and receipts', of: ({ payloadBytes }: Increment) => payloadBytes / 1024, atMost: 1.1 },
];
const CHART = join(import.meta.dirname, '..', '..', 'docs', 'cost-growth.svg');

export async function measure(stage: Stage): Promise<Outcome> {
  const read = new Map<string, Increment>();
  for (const { name, diskBytes } of DISKS) {
    read.set(name, await readIncrement(stage, { diskBytes, changed: changedWindows(diskBytes) }));
  }
  const panels = FIGURES.map(({ title, of, atMost }) => ({
    title,
    atMost,
    bars: [...read].map(([name, one]) => ({ name, value: of(one) })),
  }));
  await writeFile(CHART, drawBars('The same 10 GiB of changes on disks of four sizes', panels));
  return {
    peer: 'the same changes on 64 GiB',
    claims: panels.map(({ title, bars, atMost }) => ({
      unit: `x ${title}`,
      figure: (bars.at(-1)?.value ?? Number.NaN) / (bars[0]?.value ?? Number.NaN),
      bound: { atMost },
    })),
    details: [...read].map(([name, one]) => describe(name, one)),
  };
}

/** Whole windows at random places: a day of a file server. */
function changedWindows(diskBytes: Bytes): GrainBitmap {
  const random = randomNumbers(1);
  const changed = new GrainBitmap(grainsCovering(diskBytes));
  for (let added = 0; added < CHANGED_GRAINS; ) {
    const first = Math.floor((random() * changed.grains) / WINDOW_GRAINS) * WINDOW_GRAINS;
    if (changed.has(first)) continue;
    changed.addRun({ first, end: first + WINDOW_GRAINS });
    added += WINDOW_GRAINS;
  }
  return changed;
}

function describe(
  name: string,
  { seconds, cpuSeconds, requests, nbdRequests, payloadBytes, shards }: Increment,
): string {
  const payload = `${(payloadBytes / 1024).toFixed(1)} KiB of shards and receipts`;
  return `${name}: ${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} CPU s, ${shards} shards, ${requests} requests to S3, ${nbdRequests} over NBD, ${payload}`;
}
