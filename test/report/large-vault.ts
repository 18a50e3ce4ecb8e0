/**
 * Builds the report of a vault of 500 VMs with 400 points each, writes the page to the file that it is given, and prints
 * what it took, as JSON. A program of its own, so that its peak of memory is the report's.
 */

import { writeFile } from 'node:fs/promises';
import { SHIPPED_PRICES } from '#lib/cost/prices.ts';
import { encodeDocument, HEAD } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import type { VmPoint } from '#lib/format/point.ts';
import { writeReport } from '#lib/report/write-report.ts';
import type { ListedObject, ObjectStore } from '#lib/store/object-store.ts';
import { memoryStore } from '../fakes/memory-store.ts';
import { encodePoint, idOf, keyOf, pointOf } from './point-fixture.ts';

const VMS = 500;
const POINTS = 400;
/** What the report has in its hands at a time (lib/report/history.ts). */
const VMS_AT_ONCE = 4;
const DAY_MS = 86_400_000;
const NOW = new Date('2026-11-21T12:00:00Z');

/** The points of a VM are made when they are asked for: the vault itself must not count as memory of the report. */
function pointsOf(vm: number): VmPoint[] {
  return Array.from({ length: POINTS }, (_, index) =>
    pointOf({
      vmName: nameOf(vm),
      seq: index + 1,
      kind: index % 90 === 0 ? 'full' : 'incremental',
      time: new Date(NOW.getTime() - (POINTS - index) * DAY_MS + vm * 60_000),
      dataGrains: 100 + ((index * 37 + vm) % 900),
      storedBytes: 3_000_000 + ((index * 7919 + vm) % 20_000_000),
    }),
  );
}

/** Every VM of the vault, and a tenth as many that nobody backs up. */
function inventory() {
  const vm = (name: string) => ({ uuid: idOf(name), name, tags: [], disks: [] });
  const forgotten = Array.from({ length: VMS / 10 }, (_, index) => vm(`forgotten-${index}`));
  return [...Array.from({ length: VMS }, (_, index) => vm(nameOf(index))), ...forgotten];
}

const nameOf = (vm: number) => `machine-${vm}.example.com`;

async function largeVault(): Promise<ObjectStore> {
  const { store } = memoryStore();
  await store.put(vaultKeys.inventory('lab'), encodeDocument({ ...HEAD, pool: 'lab', time: NOW, vms: inventory() }));
  const byPrefix = new Map<string, number>();
  for (let vm = 0; vm < VMS; vm++) {
    const [point] = pointsOf(vm).slice(0, 1);
    byPrefix.set(`vms/${point!.vm}/points/`, vm);
  }
  const loaded = new Map<string, Map<string, VmPoint>>();
  const load = (prefix: string) => {
    const points = new Map(pointsOf(byPrefix.get(prefix)!).map((point) => [keyOf(point), point]));
    loaded.set(prefix, points);
    for (const oldest of [...loaded.keys()].slice(0, -VMS_AT_ONCE)) loaded.delete(oldest);
    return points;
  };
  async function* list(prefix: string): AsyncGenerator<ListedObject> {
    const about = { bytes: 1, lastModified: NOW, etag: '' };
    if (prefix === 'vms/')
      for (const each of byPrefix.keys()) for (const key of load(each).keys()) yield { key, ...about };
    else if (byPrefix.has(prefix)) for (const key of load(prefix).keys()) yield { key, ...about };
    else yield* store.list(prefix);
  }
  return {
    ...store,
    list,
    head: async () => undefined,
    get: async (key) => {
      const point = loaded.get(`${key.split('/points/')[0]}/points/`)?.get(key);
      return point === undefined ? store.get(key) : encodePoint(point);
    },
  } as ObjectStore;
}

const startedMs = performance.now();
const { page, fleet } = await writeReport(await largeVault(), {
  now: NOW,
  vault: 's3://vault/',
  objectiveMs: DAY_MS * 2,
  prices: SHIPPED_PRICES,
  storageClass: 'STANDARD',
});
const seconds = (performance.now() - startedMs) / 1000;
await writeFile(process.argv[2] ?? '', page);
process.stdout.write(
  JSON.stringify({
    seconds,
    peakMib: process.resourceUsage().maxRSS / 1024,
    pageMib: Buffer.byteLength(page) / 1_048_576,
    vms: fleet.vms.length,
    points: fleet.vms.reduce((sum, { pointCount }) => sum + pointCount, 0),
  }),
);
