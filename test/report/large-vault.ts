/**
 * Builds the report of a vault of 500 VMs with 400 points each and prints what it took, as JSON. A program of its own,
 * so that its peak of memory is the report's.
 */

import { SHIPPED_PRICES } from '#lib/cost/prices.ts';
import type { VmPoint } from '#lib/format/point.ts';
import { writeReport } from '#lib/report/write-report.ts';
import type { ListedObject, ObjectStore } from '#lib/store/object-store.ts';
import { memoryStore } from '../fakes/memory-store.ts';
import { encodePoint, keyOf, pointOf } from './point-fixture.ts';

const VMS = 500;
const POINTS = 400;
const DAY_MS = 86_400_000;
const NOW = new Date('2026-11-21T12:00:00Z');

/** The points of a VM are made when they are asked for: the vault itself must not count as memory of the report. */
function pointsOf(vm: number): VmPoint[] {
  return Array.from({ length: POINTS }, (_, index) =>
    pointOf({
      vmName: `machine-${vm}.example.com`,
      seq: index + 1,
      kind: index % 90 === 0 ? 'full' : 'incremental',
      time: new Date(NOW.getTime() - (POINTS - index) * DAY_MS + vm * 60_000),
      dataGrains: 100 + ((index * 37 + vm) % 900),
      storedBytes: 3_000_000 + ((index * 7919 + vm) % 20_000_000),
    }),
  );
}

function largeVault(): ObjectStore {
  const byPrefix = new Map<string, number>();
  for (let vm = 0; vm < VMS; vm++) {
    const [point] = pointsOf(vm).slice(0, 1);
    byPrefix.set(`vms/${point!.vm}/points/`, vm);
  }
  let current: { prefix: string; points: Map<string, VmPoint> } | undefined;
  const load = (prefix: string) => {
    const points = new Map(pointsOf(byPrefix.get(prefix)!).map((point) => [keyOf(point), point]));
    current = { prefix, points };
    return points;
  };
  async function* list(prefix: string): AsyncGenerator<ListedObject> {
    const about = { bytes: 1, lastModified: NOW, etag: '' };
    if (prefix === 'vms/')
      for (const each of byPrefix.keys()) for (const key of load(each).keys()) yield { key, ...about };
    else if (byPrefix.has(prefix)) for (const key of load(prefix).keys()) yield { key, ...about };
  }
  const { store } = memoryStore();
  return {
    ...store,
    list,
    head: async () => undefined,
    get: async (key) => encodePoint(current!.points.get(key)!),
  } as ObjectStore;
}

const startedMs = performance.now();
const { page, fleet } = await writeReport(largeVault(), {
  now: NOW,
  vault: 's3://vault/',
  objectiveMs: DAY_MS * 2,
  prices: SHIPPED_PRICES,
  storageClass: 'STANDARD',
});
process.stdout.write(
  JSON.stringify({
    seconds: (performance.now() - startedMs) / 1000,
    peakMib: process.resourceUsage().maxRSS / 1024,
    pageMib: Buffer.byteLength(page) / 1_048_576,
    vms: fleet.vms.length,
    points: fleet.vms.reduce((sum, { pointCount }) => sum + pointCount, 0),
  }),
);
