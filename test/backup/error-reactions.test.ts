/** What a whole run makes of each error of the host: the reactions of the error table, seen from outside. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { commitPoint } from '#lib/backup/commit-point.ts';
import { Failure } from '#lib/failure.ts';
import { findPoint } from '#lib/restore/points.ts';
import { LoneSite } from '../fakes/lone-site.ts';
import { REACTIONS, wordsOf } from './reactions.ts';

const GRAIN = 65_536;

let site: LoneSite;
let vm = '';
let vdis: readonly string[] = [];

before(async () => {
  site = await LoneSite.start();
  const disks = [{ bytes: randomBytes(2 * GRAIN) }, { bytes: randomBytes(2 * GRAIN) }];
  ({ uuid: vm, vdis } = await site.sim.addVm({ name: 'web', disks }));
});
after(() => site[Symbol.asyncDispose]());

/** A run whose steps are tried again after failures that may pass, as the workflow does. */
async function runOnce(): Promise<Failure | undefined> {
  const input = site.request(vm);
  try {
    const run = await patiently(() => site.prepare(input));
    await site.readShards(run);
    await commitPoint(site.ports, run);
    return undefined;
  } catch (failure) {
    if (failure instanceof Failure) return failure;
    throw failure;
  } finally {
    await patiently(() => site.release(input));
  }
}

async function patiently<T>(step: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await step();
    } catch (failure) {
      if (!(failure instanceof Failure && failure.transient) || attempt === 3) throw failure;
    }
  }
}

async function assertHostClean(): Promise<void> {
  const { snapshots, cbtMetadata, sessions, dom0Vbds } = site.sim.counters;
  assert.deepEqual({ snapshots, sessions, dom0Vbds }, { snapshots: [], sessions: 0, dom0Vbds: 0 });
  assert.ok(cbtMetadata.length <= 2, `${cbtMetadata.length} bases`);
}

for (const [method, outcome, ...codes] of REACTIONS) {
  for (const code of codes) {
    test(`${code} of ${method}: ${wordsOf(outcome)}, and the host is clean`, async () => {
      // Only what happened before can have taken a base away; every other run left one for each disk.
      if (site.sim.counters.cbtMetadata.length < 2) assert.equal(await runOnce(), undefined, 'the run before');
      site.sim.write(vdis[0] ?? '', 0, randomBytes(10));
      const fault = { method, code, times: 1 };
      site.sim.faults.calls.push(fault);
      const failure = await runOnce();
      assert.equal(fault.times, 0, 'the fault struck');
      site.sim.faults.calls.length = 0;
      await assertHostClean();
      if (typeof outcome !== 'string') return assert.equal(failure?.name, outcome.fails);
      assert.equal(failure, undefined, failure?.message);
      const { disks } = (await findPoint(site.store, { point: 'latest' })).point;
      const kinds = disks.map(({ kind }) => kind);
      const expected = {
        again: ['incremental', 'incremental'],
        full: ['full', 'incremental'],
        'without-the-disk': ['incremental'],
      };
      assert.deepEqual(kinds, expected[outcome]);
    });
  }
}
