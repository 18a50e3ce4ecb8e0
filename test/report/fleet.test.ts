import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SHIPPED_PRICES } from '#lib/cost/prices.ts';
import { anomalyHints } from '#lib/report/anomalies.ts';
import { FleetBuilder, type ReportSettings, type VmFindings } from '#lib/report/fleet.ts';
import type { PointFacts, VmHistory } from '#lib/report/history.ts';
import { readVerified } from '#lib/report/verified.ts';
import { GIB, MIB, parseDiskId } from '#lib/units.ts';
import { memoryStore } from '../fakes/memory-store.ts';
import { idOf, vmIdOf } from './point-fixture.ts';

const DAY_MS = 86_400_000;
const NOW = new Date('2026-11-21T12:00:00Z');
const settings: ReportSettings = {
  now: NOW,
  vault: 's3://vault/',
  objectiveMs: 26 * 3_600_000,
  prices: SHIPPED_PRICES,
  storageClass: 'STANDARD',
};

function facts(daysAgo: number, changes: Partial<PointFacts> = {}): PointFacts {
  return {
    name: `point ${daysAgo}`,
    time: new Date(NOW.getTime() - daysAgo * DAY_MS),
    kind: 'incremental',
    entries: [],
    causes: [],
    changedBytes: 100 * MIB,
    newBytes: 80 * MIB,
    storedBytes: 40 * MIB,
    unchangedBytes: 10 * MIB,
    run: { actualDollars: 0.01, estimatedDollars: 0.01 },
    ...changes,
  };
}

const history = (name: string, points: readonly PointFacts[]): VmHistory => ({
  vm: vmIdOf(name),
  name,
  pool: 'lab',
  disks: [{ disk: parseDiskId(idOf(name)), name: 'root', diskBytes: GIB }],
  points,
});

function reportOf(points: readonly PointFacts[], findings: VmFindings = {}) {
  const builder = new FleetBuilder(settings);
  builder.add(history('web', points), findings);
  return builder.finish().vms[0]!;
}

const nightly = {
  policy: 'nightly',
  select: 'all',
  exclude: { uuids: [], names: [], tags: [] },
  at: '01:30',
  timezone: 'Europe/Berlin',
} as const;

const month = Array.from({ length: 10 }, (_, index) => facts(10 - index));

describe('the fleet', () => {
  test('a VM is late when its newest point is older than its objective, retired after two weeks, and late ones come first', () => {
    const builder = new FleetBuilder(settings);
    builder.add(history('in time', [facts(1)]));
    builder.add(history('late', [facts(2)]));
    builder.add(history('retired', [facts(15)]));
    assert.deepEqual(
      builder.finish().vms.map(({ name, status }) => [name, status]),
      [
        ['late', 'late'],
        ['in time', 'in time'],
        ['retired', 'retired'],
      ],
    );
  });

  test('the next run is that of the schedule of the policy', () => {
    const { next, policy } = reportOf([facts(1)], { policy: nightly });
    assert.deepEqual([next, policy], [{ time: new Date('2026-11-22T00:30:00Z'), by: 'schedule' }, 'nightly']);
  });

  test('without a policy the next point is expected after the median interval, so that one missed night moves nothing', () => {
    const { next } = reportOf([facts(9), facts(8), facts(7), facts(4), facts(3), facts(2), facts(1)]);
    assert.deepEqual(next, { time: NOW, by: 'habit' });
    assert.equal(reportOf([facts(1)]).next, undefined);
  });

  test('a run that passed its budget says so beside its VM', () => {
    assert.deepEqual(reportOf([facts(1, { budgetPassed: 'The run cost too much.' })]).hints, [
      'The run cost too much.',
    ]);
  });

  test('the forecast adds what the last 30 days added', () => {
    const vm = reportOf([facts(50, { storedBytes: 10 * GIB, kind: 'full' }), facts(1, { storedBytes: GIB })]);
    assert.equal(vm.storedBytes, 11 * GIB);
    assert.ok(Math.abs(vm.storageDollars - 11 * 0.023) < 1e-9);
    assert.ok(Math.abs(vm.forecastDollars - (12 * 0.023 + 0.01)) < 1e-9);
  });

  test('a day of the fleet sums its points', () => {
    const builder = new FleetBuilder(settings);
    builder.add(history('one', [facts(1)]));
    builder.add(history('two', [facts(1, { kind: 'full' })]));
    const [day] = builder.finish().days;
    assert.deepEqual([day?.points, day?.fulls, day?.storedBytes], [2, 1, 80 * MIB]);
  });
});

describe('a hint', () => {
  test('says the figures when ten times as much changed as usual', () => {
    assert.deepEqual(anomalyHints([...month, facts(0, { changedBytes: 2 * GIB, unchangedBytes: 205 * MIB })]), [
      '2.00 GiB changed; the median of the last 10 increments is 100 MiB.',
    ]);
  });

  test('says the figures when new content does not compress as it did', () => {
    assert.deepEqual(anomalyHints([...month, facts(0, { storedBytes: 80 * MIB })]), [
      'New content took 100 % of its size after compression; usual are 50 %.',
    ]);
  });

  test('says the figures when most of what changed is what it was', () => {
    assert.deepEqual(anomalyHints([...month, facts(0, { unchangedBytes: 90 * MIB })]), [
      'Of what the host reported as changed, 90 % held the same content as before; usual are 10 %.',
    ]);
  });

  test('is not given for usual days, for fulls, for a young VM, or for a handful of blocks', () => {
    const burst = { changedBytes: 20 * GIB, storedBytes: 16 * GIB };
    assert.deepEqual(anomalyHints([...month, facts(0)]), []);
    assert.deepEqual(anomalyHints([...month, facts(0, { ...burst, kind: 'full' })]), []);
    assert.deepEqual(anomalyHints([...month.slice(0, 6), facts(0, burst)]), []);
    const small = month.map((point) => ({ ...point, changedBytes: 1000, newBytes: 1000, storedBytes: 500 }));
    assert.deepEqual(anomalyHints([...small, facts(0, { changedBytes: MIB, newBytes: MIB, storedBytes: MIB })]), []);
  });
});

describe('verification of a VM', () => {
  const disks = ['a', 'b'].map((word) => parseDiskId(idOf(word)));

  test('is as old as its longest unverified disk, and unknown when a disk was never verified', async () => {
    const { store } = memoryStore();
    await store.put(`disks/${disks[0]}/verified/20261119T010000Z-1.json`, Buffer.from('{}'));
    await store.put(`disks/${disks[0]}/verified/20261120T010000Z-2.json`, Buffer.from('{}'));
    assert.equal(await readVerified(store, disks), undefined);
    await store.put(`disks/${disks[1]}/verified/20261118T010000Z-1.json`, Buffer.from('{}'));
    assert.deepEqual(await readVerified(store, disks), { level: 1, time: new Date('2026-11-18T01:00:00Z') });
  });
});
