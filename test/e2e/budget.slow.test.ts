import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { listPoints } from '#lib/restore/points.ts';
import { underPrefix } from '#lib/store/prefixed-store.ts';
import { MIB } from '#lib/units.ts';
import { LocalSite } from '../fakes/local-site.ts';

describe('a run with a budget, through the synthesized workflow', () => {
  let site: LocalSite;
  let vm: { uuid: string; vdis: readonly string[] };

  before(async () => {
    site = await LocalSite.start();
    vm = await site.sim.addVm({ name: 'web', disks: [{ bytes: randomBytes(2 * MIB) }] });
  });
  after(() => site[Symbol.asyncDispose]());

  const measured = (name: string) => site.logs.filter(({ line }) => JSON.stringify(line).includes(name)).length;

  test('that says stop ends before any reader, as BudgetExceeded with the knob, and leaves the host clean', async () => {
    const budget = { perRun: 0.000001, onExceed: 'stop' };
    const execution = await site.backUp({ vm: vm.uuid, budget });
    assert.deepEqual([execution.status, execution.error], ['FAILED', 'BudgetExceeded'], execution.cause);
    assert.match(execution.cause ?? '', /more than the budget of \$0\.0000.*Nothing was transferred/);
    assert.deepEqual(await site.pointKeys(), []);
    const { snapshots, sessions, nbdConnectionsTotal } = site.sim.counters;
    assert.deepEqual([snapshots, sessions, nbdConnectionsTotal], [[], 0, 0]);
    const splits = execution.history.filter(
      ({ type, name }) => type === 'TaskStateEntered' && name === 'split-extents',
    );
    assert.equal(splits.length, 1, 'a passed budget is not tried again');
  });

  test('that says warn goes on, and says so in the point, in the log and in a metric', async () => {
    const before = measured('BudgetPassed');
    const execution = await site.backUp({
      vm: vm.uuid,
      budget: { perMonth: 0.000001, onExceed: 'warn' },
      policy: 'nightly',
    });
    assert.equal(execution.status, 'SUCCEEDED', execution.cause);
    const [{ point } = assert.fail()] = await listPoints(underPrefix(site.store, 'site/'));
    assert.match(point.budgetPassed ?? '', /^A month will cost about .* than the budget/);
    assert.equal(point.policy, 'nightly');
    assert.ok(measured('BudgetPassed') > before, 'the metric');
    assert.ok(measured('than the budget of') > 0, 'the log');
  });

  test('that is kept leaves no trace', async () => {
    site.sim.write(vm.vdis[0] ?? '', MIB, randomBytes(MIB));
    const execution = await site.backUp({ vm: vm.uuid, budget: { perRun: 1, perMonth: 100, onExceed: 'stop' } });
    assert.equal(execution.status, 'SUCCEEDED', execution.cause);
    const points = await listPoints(underPrefix(site.store, 'site/'));
    assert.equal(points.at(-1)?.point.budgetPassed, undefined);
  });

  test('is told in the report that the upkeep leaves in the vault, with what has no backup', async () => {
    await site.sim.addVm({ name: 'forgotten', disks: [{ bytes: randomBytes(MIB) }] });
    const execution = await site.keepUp();
    assert.equal(execution.status, 'SUCCEEDED', `${execution.error}: ${execution.cause}`);
    const latest = await site.store.get('site/reports/latest.html');
    assert.match(latest.toString(), /^<!doctype html>[\s\S]*web[\s\S]*forgotten[\s\S]*no policy selects it/);
    const day = `site/reports/${new Date().toISOString().slice(0, 10)}.html`;
    assert.deepEqual(await site.store.get(day), latest);
  });
});
