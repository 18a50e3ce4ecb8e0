import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dropSlots, takeSlots } from '#lib/backup/reader-slots.ts';
import { releaseHost } from '#lib/backup/release-host.ts';
import { snapshotDisks } from '#lib/backup/snapshot-disks.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { LoneSite } from '../fakes/lone-site.ts';
import { MemoryBucket } from '../fakes/memory-store.ts';
import { seededRandom } from '../fakes/random.ts';

/** A vault, and the runs that are alive. */
function place() {
  const bucket = new MemoryBucket({ now: () => new Date() });
  const alive = new Set<string>();
  const store = bucket.store();
  const executions = { isRunning: (holder: string) => Promise.resolve(alive.has(holder)) };
  let comers = 0;
  const take = (holder: string, wanted: number, pool = 'main') => {
    alive.add(holder);
    comers += 1;
    const ports = { store, executions, signal: new AbortController().signal };
    return takeSlots(ports, { pool, holder, wanted, since: new Date(comers) });
  };
  const drop = (holder: string, pool = 'main') => dropSlots(store, { pool, holder });
  const count = (kind: RegExp) => bucket.objects.keys('pools/main/readers/').filter((key) => kind.test(key)).length;
  return { alive, take, drop, taken: () => count(/readers\/\d+\.json$/), queued: () => count(/\/waiting\//) };
}

test('runs of two policies on one pool have 16 readers together and never more', async () => {
  const { take, taken } = place();
  assert.equal(await take('nightly-1', 8), 8);
  assert.equal(await take('hourly-1', 6), 6);
  assert.equal(await take('by-hand', 4), 2, 'what is free, rather than to wait for all it wants');
  assert.equal(await take('late', 4), 0);
  assert.equal(taken(), 16);
});

test('a run that asks again has what it has', async () => {
  const { take, taken } = place();
  assert.deepEqual([await take('a', 4), await take('a', 4)], [4, 4]);
  assert.equal(taken(), 4);
});

test('another pool has slots of its own', async () => {
  const { take } = place();
  await take('a', 16);
  assert.equal(await take('b', 16, 'other'), 16);
});

test('what a run gives back is free, and what others have stays theirs', async () => {
  const { take, drop, taken } = place();
  await take('a', 10);
  await take('b', 6);
  await drop('a');
  await drop('a');
  assert.equal(taken(), 6);
  assert.equal(await take('c', 16), 10);
});

test('slots of a run that died are taken over, those of a living one are not', async () => {
  const { take, alive } = place();
  await take('dead', 10);
  await take('alive', 6);
  alive.delete('dead');
  assert.equal(await take('next', 16), 10);
  assert.equal(await take('alive', 6), 6);
});

test('a run that waits has slots before one that comes later, however much the later one wants', async () => {
  const { take, drop, queued } = place();
  await take('first fleet, 1', 16);
  assert.equal(await take('second fleet, 1', 16), 0);
  await drop('first fleet, 1');
  assert.equal(await take('first fleet, 2', 16), 8, 'half, since one run waits');
  assert.equal(await take('second fleet, 1', 16), 8);
  await drop('first fleet, 2');
  await drop('second fleet, 1');
  assert.equal(queued(), 0, 'nobody waits any more');
  assert.equal(await take('first fleet, 3', 16), 16);
});

test('of runs that wait, each has a slot after those that came before it', async () => {
  const { take, drop } = place();
  await take('all', 16);
  const waiting = Array.from({ length: 20 }, (_, no) => `waiting-${no}`);
  for (const holder of waiting) assert.equal(await take(holder, 4), 0);
  await drop('all');
  assert.equal(await take('late', 1), 0, 'every slot is for one that waits');
  const got: number[] = [];
  for (const holder of waiting.toReversed()) got.unshift(await take(holder, 4));
  assert.deepEqual(got, [...Array.from({ length: 16 }, () => 1), 0, 0, 0, 0], 'however late each of them asks');
});

test('a run that died while it waited holds nobody up', async () => {
  const { take, drop, alive, queued } = place();
  await take('all', 16);
  await take('dead', 8);
  alive.delete('dead');
  await drop('all');
  assert.equal(await take('next', 16), 16);
  assert.equal(queued(), 0, 'its place in the queue is gone');
});

test('a run that gives up waiting leaves no place in the queue', async () => {
  const { take, drop, taken, queued } = place();
  await take('all', 16);
  await take('gives up', 8);
  assert.equal(queued(), 1);
  await drop('gives up');
  assert.deepEqual([taken(), queued()], [16, 0]);
});

test('however runs come and go at the same time, no more than 16 slots are held', async () => {
  const { take, drop, taken } = place();
  const random = seededRandom(7);
  const held = new Map<string, number>();
  for (let round = 0; round < 60; round++) {
    const comers = Array.from({ length: 3 }, (_, no) => `run-${round}-${no}`);
    const got = await Promise.all(comers.map((holder) => take(holder, 1 + Math.floor(random() * 16))));
    for (const [no, slots] of got.entries()) held.set(comers[no] ?? '', slots);
    const sum = [...held.values()].reduce((total, slots) => total + slots, 0);
    assert.ok(sum <= 16, `${sum} slots in round ${round}`);
    assert.equal(taken(), sum);
    for (const holder of [...held.keys()].filter(() => random() < 0.5)) {
      await drop(holder);
      held.delete(holder);
    }
  }
});

test('a run that finds all slots taken waits without touching the host, and gives up after six hours', async (t) => {
  const site = await LoneSite.start();
  t.after(() => site[Symbol.asyncDispose]());
  const { uuid } = await site.sim.addVm({ name: 'web', disks: [{ bytes: Buffer.alloc(65_536) }] });
  const ports = { ...site.ports, executions: { isRunning: () => Promise.resolve(true) } };
  await takeSlots(ports, { pool: 'lab', holder: 'another run', wanted: 16, since: new Date() });
  const input = site.request(uuid);
  const waiting = await snapshotDisks(ports, input);
  assert.deepEqual(
    [waiting.ready, 'waitingFor' in waiting && waiting.waitingFor],
    [false, 'a reader slot of pool lab'],
  );
  assert.deepEqual([site.sim.counters.sessions, site.sim.counters.snapshots], [0, []]);
  const old = { ...input, started: new Date(Date.now() - 6 * 3_600_000).toISOString() };
  await assert.rejects(snapshotDisks(ports, old), { name: 'PoolOccupied', message: /move a policy to another time/ });
  await releaseHost(ports, input);
  assert.equal(site.bucket.objects.keys(vaultKeys.readerSlots('lab')).length, 16, "another run's slots stay");
});

test('a run reads with no more readers than it has slots, and gives them back at its end', async (t) => {
  const site = await LoneSite.start();
  t.after(() => site[Symbol.asyncDispose]());
  const { uuid } = await site.sim.addVm({ name: 'web', disks: [{ bytes: Buffer.alloc(65_536, 1) }] });
  const ports = { ...site.ports, executions: { isRunning: (holder: string) => Promise.resolve(holder === 'another') } };
  await takeSlots(ports, { pool: 'lab', holder: 'another', wanted: 13, since: new Date() });
  const input = site.request(uuid, { readers: 8 });
  let answer = await snapshotDisks(ports, input);
  for (let call = 0; !answer.ready && call < 100; call++) answer = await snapshotDisks(ports, input);
  assert.equal(answer.ready && answer.readers, 3);
  await site.release(input);
  assert.equal(site.bucket.objects.keys(vaultKeys.readerSlots('lab')).length, 13);
});
