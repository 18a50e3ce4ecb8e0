/** One fleet run of many VMs through the synthesized workflows and the bundled functions. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { listPoints } from '#lib/restore/points.ts';
import { underPrefix } from '#lib/store/prefixed-store.ts';
import { GRAIN_BYTES, MIB } from '#lib/units.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import type { Execution } from '#local/states/execution.ts';
import { LocalSite } from '../fakes/local-site.ts';
import { assertNothingLeft } from './left-behind.ts';
import { heapBytes } from './memory.ts';

const DISK_GRAINS = 8;
/** Eight runs at a time. */
const READERS = 2;
const HOST_CONNECTIONS = 16;
/** Histories of four executions with every input and output are kept for each VM, as Step Functions keeps them. */
const HEAP_OF_A_VM_KIB = 400;
/** Collecting garbage at each would take longer than the run. */
const INVOCATIONS_BETWEEN_LOOKS = 5;
const LEAST_LOOKS = 5;
const GROWING_SHARE = 0.8;
/** Between a run that had to wait for its turn at everything and one that had not. */
const SLOWEST_TO_MEDIAN = 12;

export interface FleetFigures {
  readonly vms: number;
  readonly seconds: number;
  readonly medianRunSeconds: number;
  readonly slowestRunSeconds: number;
  readonly heapKibOfAVm: number;
  readonly heapMib: number;
  readonly connectionsPeak: number;
  /** Of any function's process. */
  readonly sandboxMib: number;
}

/** Throws when a VM has no point, a point is not exact, a run had to wait too long, something is left, or the heap grew. */
export async function playFleet(vms: number): Promise<FleetFigures> {
  const heaps: number[] = [];
  let sandboxBytes = 0;
  let invocations = 0;
  await using site = await LocalSite.start({
    onInvocation: ({ peakBytes = 0 }) => {
      sandboxBytes = Math.max(sandboxBytes, peakBytes);
      invocations += 1;
      if (invocations % INVOCATIONS_BETWEEN_LOOKS === 0) heaps.push(heapBytes());
    },
  });
  const contents = new Map<string, Buffer>();
  for (let vm = 0; vm < vms; vm++) {
    const bytes = randomBytes(DISK_GRAINS * GRAIN_BYTES);
    const { vdis } = await site.sim.addVm({ name: `machine-${vm}`, disks: [{ bytes }] });
    contents.set(vdis[0] ?? '', bytes);
  }
  const startedMs = performance.now();
  const fleet = await site.startFleet({ policy: 'load', select: 'all', readers: READERS });
  await fleet.finished;
  const seconds = (performance.now() - startedMs) / 1000;
  assert.equal(fleet.status, 'SUCCEEDED', `${fleet.error}: ${fleet.cause}`);
  await assertAllExact(site, contents);
  await assertNothingLeft(site, vms);
  const { nbdConnectionsPeak: connectionsPeak } = site.sim.counters;
  assert.ok(connectionsPeak <= HOST_CONNECTIONS, `${connectionsPeak} connections at a time`);
  const { median: medianRunSeconds, slowest: slowestRunSeconds } = durations(site.executions, vms);
  assert.ok(slowestRunSeconds < SLOWEST_TO_MEDIAN * medianRunSeconds, `${slowestRunSeconds} s, ${medianRunSeconds} s`);
  const heapKibOfAVm = growthKib(heaps) / (vms * GROWING_SHARE);
  assert.ok(heapKibOfAVm < HEAP_OF_A_VM_KIB, `the heap grew by ${heapKibOfAVm} KiB with each VM`);
  const memory = { heapKibOfAVm, heapMib: (heaps.at(-1) ?? 0) / MIB, sandboxMib: sandboxBytes / MIB };
  return { vms, seconds, medianRunSeconds, slowestRunSeconds, connectionsPeak, ...memory };
}

async function assertAllExact(site: LocalSite, contents: ReadonlyMap<string, Buffer>): Promise<void> {
  const vault = underPrefix(site.store, 'site/');
  const points = await listPoints(vault);
  const disks = points.flatMap(({ point }) => point.disks);
  assert.deepEqual(disks.map(({ disk }) => disk).toSorted(), [...contents.keys()].toSorted(), 'one point for each VM');
  for (const { disk, seq } of disks) {
    const content = await DiskContent.open(vault, { disk, seq });
    const image = Buffer.alloc(content.diskBytes);
    await content.read({ first: 0, end: DISK_GRAINS }, (at, bytes) => {
      bytes.copy(image, at);
    });
    assert.ok(contents.get(disk)?.equals(image), `disk ${disk} is not restored as it was`);
  }
}

/** Of the runs of single VMs. */
function durations(executions: readonly Execution[], vms: number): { median: number; slowest: number } {
  const runs = executions.filter(({ stateMachineArn }) => stateMachineArn.endsWith('-backup'));
  assert.equal(runs.length, vms);
  const seconds = runs.map(({ startDate, stopDate }) => (Number(stopDate) - Number(startDate)) / 1000);
  seconds.sort((a, b) => a - b);
  return { median: seconds[Math.floor(vms / 2)] ?? 0, slowest: seconds.at(-1) ?? 0 };
}

/** From a fifth of the way, when every kind of function has run, to the end. */
function growthKib(heaps: readonly number[]): number {
  assert.ok(heaps.length >= LEAST_LOOKS, `the heap was looked at ${heaps.length} times`);
  const from = heaps[Math.floor(heaps.length * (1 - GROWING_SHARE))] ?? 0;
  return ((heaps.at(-1) ?? 0) - from) / 1024;
}
