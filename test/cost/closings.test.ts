import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import { CallMeter, readCallRecords, recordCall } from '#lib/backup/call-records.ts';
import { closePoint } from '#lib/backup/close-point.ts';
import { readClosing } from '#lib/cost/closings.ts';
import { usageOf } from '#lib/cost/run-cost.ts';
import { encodeDocument, HEAD } from '#lib/format/document.ts';
import { DamagedObject } from '#lib/format/failures.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { parseRunId } from '#lib/units.ts';
import { memoryStore } from '../fakes/memory-store.ts';
import { pointOf } from '../report/point-fixture.ts';

const RUN = parseRunId('0123456789abcdef');
const point = pointOf({ vmName: 'web', seq: 1, time: new Date('2026-11-20T01:30:00Z'), dataGrains: 4, storedBytes: 9 });
const closing = { ...HEAD, run: point.run, vm: point.vm, time: point.time, calls: 1, gbSeconds: 2, transitions: 6 };

function ports() {
  let nowMs = 0;
  /** A second passes between two looks. */
  const now = () => {
    nowMs += 1000;
    return new Date(nowMs);
  };
  const clock = { now, sleep: () => Promise.resolve() };
  return { store: memoryStore().store, clock, random: randomBytes };
}

describe('the closing of a point', () => {
  test('is added to what the point says of its run', async () => {
    const { store } = ports();
    assert.equal(await readClosing(store, point), undefined);
    await store.put(vaultKeys.closing(point.vm, point), encodeDocument(closing));
    const whole = { ...point, measured: { ...point.measured, calls: 5, gbSeconds: 62, transitions: 10 } };
    const { control, stateTransitions } = usageOf(whole, await readClosing(store, point));
    assert.deepEqual(control, { gbSeconds: 4, calls: 4 });
    assert.equal(stateTransitions, 16);
  });

  test('of another run is refused by name', async () => {
    const { store } = ports();
    await store.put(vaultKeys.closing(point.vm, point), encodeDocument({ ...closing, run: RUN }));
    await assert.rejects(readClosing(store, point), DamagedObject);
  });

  test('is not written for a run that has no point', async () => {
    const site = ports();
    const call = { run: RUN, step: { name: 'release-host', memoryMib: 512 }, stage: 'after-point' } as const;
    await closePoint(site.store, new CallMeter(site, call), RUN);
    const keys = await Array.fromAsync(site.store.list('vms/'));
    assert.deepEqual(keys, []);
  });
});

describe('a call of a step', () => {
  const call = { run: RUN, step: { name: 'commit-point', memoryMib: 1024 }, stage: 'before-point' } as const;

  test('leaves what it used also when it fails, and the failure stays what it was', async () => {
    const site = ports();
    await assert.rejects(
      recordCall(site, call, () => Promise.reject(new RangeError('as it was'))),
      RangeError,
    );
    const [record] = await readCallRecords(site.store, RUN, 'before-point');
    assert.deepEqual([record?.answered, record?.gbSeconds], [false, 1]);
  });

  test('that wrote the point leaves only what it used after it', async () => {
    const site = ports();
    await recordCall(site, call, async (meter) => {
      for (let second = 0; second < 60; second++) site.clock.now();
      meter.pointStands('created');
    });
    assert.deepEqual(await readCallRecords(site.store, RUN, 'before-point'), []);
    const [record] = await readCallRecords(site.store, RUN, 'after-point');
    assert.deepEqual([record?.answered, record?.gbSeconds], [true, 1]);
  });

  test('that found the point of an earlier attempt leaves all that it used', async () => {
    const site = ports();
    await recordCall(site, call, async (meter) => {
      for (let second = 0; second < 60; second++) site.clock.now();
      meter.pointStands('exists');
    });
    const [record] = await readCallRecords(site.store, RUN, 'after-point');
    assert.equal(record?.gbSeconds, 61);
  });
});
