import assert from 'node:assert/strict';
import { test } from 'node:test';
import { carryOutCollection, planCollection } from '#lib/collect/collector.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { GRAIN_BYTES, parseRunId } from '#lib/units.ts';
import { letGo } from '#lib/vault/expiries.ts';
import { readHeaders, readHistory, standingEntries } from '#lib/vault/live-objects.ts';
import { GRACE_MS, RUN_LIMIT_MS } from '#lib/vault/time-limits.ts';
import { changedGrains, LoneDisk } from '../fakes/lone-disk.ts';
import { memoryVersions } from '../fakes/memory-versions.ts';
import { Crashed, crashAt } from '../fakes/store-faults.ts';

/** More calls than anything here makes; reaching it means that a crash no longer ends what it should end. */
const MAX_CALLS = 300;
const RUN = parseRunId('00000000000000c0');

const BEFORE = Buffer.alloc(40 * GRAIN_BYTES, 1);
const AFTER = Buffer.from(BEFORE);
AFTER.fill(2, 3 * GRAIN_BYTES, 9 * GRAIN_BYTES);
AFTER.fill(0, 20 * GRAIN_BYTES, 21 * GRAIN_BYTES);
AFTER.fill(3, 38 * GRAIN_BYTES);
const SHAPE = { planned: changedGrains(BEFORE, AFTER), rewrites: undefined, shardGrains: 32 };

/** A vault with one point, and the same bucket in the hands of a process that dies at its `call`-th call. */
async function beforeTheCrash(call: number, moment: 'before' | 'after') {
  const healthy = new LoneDisk({ seed: 1 });
  await healthy.backUp(BEFORE);
  const { bucket, disk } = healthy;
  return { healthy, dying: new LoneDisk({ bucket, disk, seed: 2, faults: crashAt(call, moment) }) };
}

/** Whether the work ended by the crash; anything else it ends with is a failure of the test. */
async function dies(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return false;
  } catch (error) {
    const isDeath = error instanceof Crashed || (error instanceof Error && error.cause instanceof Crashed);
    if (!isDeath) throw error;
    return true;
  }
}

async function packsStoredAndNeeded(disk: LoneDisk): Promise<{ stored: number; needed: number }> {
  const history = await readHistory(disk.store, disk.disk);
  const headers = await readHeaders(disk.store, standingEntries(history, disk.now));
  const needed = new Set(headers.flatMap(({ packs }) => packs.map(({ pack }) => pack)));
  return { stored: disk.bucket.objects.allVersions(vaultKeys.packs(disk.disk)).length, needed: needed.size };
}

async function collect(disk: LoneDisk, store = disk.store): Promise<void> {
  const ports = { store, versions: memoryVersions(disk.bucket) };
  await carryOutCollection(ports, await planCollection(ports, disk.disk, disk.now), disk.now);
}

for (const moment of ['before', 'after'] as const) {
  test(`invariant 9, crash closure: a run that dies right ${moment} any of its calls is finished by the next try`, async () => {
    let call = 0;
    for (; call < MAX_CALLS; call++) {
      const { healthy, dying } = await beforeTheCrash(call, moment);
      const died = await dies(dying.carryOut(RUN, AFTER, SHAPE));
      assert.ok((await healthy.restore(1)).equals(BEFORE), `call ${call}: the point before is touched`);
      await healthy.carryOut(RUN, AFTER, SHAPE);
      assert.ok((await healthy.restore(2)).equals(AFTER), `call ${call}: the point is wrong`);
      assert.equal(healthy.bucket.objects.keys(vaultKeys.ledgerEntries(healthy.disk)).length, 2);
      healthy.nowMs += RUN_LIMIT_MS + GRACE_MS + 1;
      await collect(healthy);
      const { stored, needed } = await packsStoredAndNeeded(healthy);
      assert.equal(stored, needed, `call ${call}: the crash left packs that nobody collects`);
      if (!died) break;
    }
    assert.ok(call > 30 && call < MAX_CALLS, `a run made ${call} calls`);
  });

  test(`invariant 9, crash closure: letting go and collecting are finished by the next try, died ${moment} any call`, async () => {
    let call = 0;
    for (; call < MAX_CALLS; call++) {
      const { healthy, dying } = await beforeTheCrash(call, moment);
      await healthy.backUp(AFTER);
      const going = { disk: healthy.disk, seq: 1, time: healthy.now, because: 'nobody needs it' };
      healthy.nowMs += GRACE_MS + RUN_LIMIT_MS + 1;
      const both = async () => {
        await letGo(dying.store, going);
        await collect(healthy, dying.store);
      };
      const died = await dies(both());
      await letGo(healthy.store, going);
      await collect(healthy);
      assert.ok((await healthy.restore(2)).equals(AFTER), `call ${call}`);
      const { stored, needed } = await packsStoredAndNeeded(healthy);
      assert.equal(stored, needed, `call ${call}: packs are left`);
      if (!died) break;
    }
    assert.ok(call > 8 && call < MAX_CALLS, `letting go and collecting made ${call} calls`);
  });
}
