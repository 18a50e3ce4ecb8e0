import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { backupInput } from '#lib/workflow/backup-input.ts';
import { MAX_FLEET_VMS } from '#lib/workflow/fleet-input.ts';
import { listVms } from '#lib/workflow/list-vms.ts';
import { Bench, fails, invoke, startAt } from '../local/states/bench.ts';
import { arbitraryOf } from '../workflow/arbitrary.ts';
import { synthesize } from './installation.ts';

const { fleet } = synthesize();
/** In place of the backup workflow: one function decides how a VM's run ends. */
const backup = startAt('back-up', { 'back-up': invoke('back-up') });

const vmNo = (no: number) => `00000000-0000-4000-8000-${String(no).padStart(12, '0')}`;
const listed = (vms: number, more: object = {}) => ({
  vms: Array.from({ length: vms }, (_, no) => vmNo(no)),
  request: { readers: 4, policy: 'nightly' },
  vmsAtOnce: 4,
  missing: [],
  ...more,
});

async function runFleet(answer: unknown, backUp: (payload: Record<string, unknown>) => unknown) {
  const bench = new Bench();
  bench.functions.set('list-vms', () => answer);
  bench.functions.set('back-up', backUp);
  const workflows = bench.workflows({ fleet, backup });
  const execution = await workflows.start({
    stateMachineArn: 'arn:aws:states:us-east-1:123456789012:stateMachine:fleet',
    input: { policy: 'nightly', select: 'all' },
  });
  await bench.clock.runUntil(execution.finished);
  return { execution, bench };
}

test('when every VM was backed up, the run ends with how many', async () => {
  const { execution } = await runFleet(listed(3), () => ({ outcome: 'committed' }));
  assert.equal(execution.status, 'SUCCEEDED');
  assert.deepEqual(execution.output, {
    policy: 'nightly',
    selected: 3,
    backedUp: 3,
    leftToOtherRuns: [],
    failures: [],
  });
});

test("one VM's failure does not stop the others, and the end names the VM, the error and the reason", async () => {
  const backedUp: unknown[] = [];
  const { execution } = await runFleet(listed(5), ({ vm }) => {
    if (vm === vmNo(1)) throw fails('SrFull', 'the repository of "VM 1" is full');
    backedUp.push(vm);
    return {};
  });
  assert.equal(backedUp.length, 4);
  assert.deepEqual([execution.status, execution.error], ['FAILED', 'FleetIncomplete']);
  assert.match(execution.cause ?? '', /^4 of 5 VMs were backed up; 0{8}-.*1 SrFull: .*is full/);
});

test('a VM that another run is at work on is left to it, which is no failure and is said at the end', async () => {
  const elsewhere = ({ vm }: { vm?: unknown }) =>
    vm === vmNo(1)
      ? { outcome: 'left-to-another-run', reason: 'VM 1 is being backed up by another' }
      : { outcome: 'committed' };
  const { execution } = await runFleet(listed(3), elsewhere);
  assert.equal(execution.status, 'SUCCEEDED');
  assert.deepEqual(execution.output, {
    policy: 'nightly',
    selected: 3,
    backedUp: 2,
    leftToOtherRuns: [vmNo(1)],
    failures: [],
  });
  const incomplete = await runFleet(listed(3, { missing: ['wbe'] }), elsewhere);
  assert.equal(incomplete.execution.cause, '2 of 3 VMs were backed up, 1 left to other runs; wbe is not in the pool');
});

test('a VM that a policy names and the pool does not have makes the run incomplete', async () => {
  const { execution } = await runFleet(listed(1, { missing: ['wbe'] }), () => ({}));
  assert.equal(execution.error, 'FleetIncomplete');
  assert.equal(execution.cause, '1 of 1 VMs were backed up; wbe is not in the pool');
});

test('so many VMs at a time as list-vms answers, and no more', async () => {
  let running = 0;
  let most = 0;
  await runFleet(listed(12, { vmsAtOnce: 3 }), async () => {
    running += 1;
    most = Math.max(most, running);
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    running -= 1;
    return {};
  });
  assert.equal(most, 3);
});

test('the largest fleet in which every VM fails stays below 64 KiB in a state and 5,000 events', async () => {
  const { execution } = await runFleet(listed(MAX_FLEET_VMS), () => {
    throw fails('HostCertificateMismatch', 'x'.repeat(1_000));
  });
  assert.equal(execution.error, 'FleetIncomplete');
  assert.ok(execution.history.length < 5_000, `${execution.history.length} events`);
  for (const event of execution.history) assert.ok(Buffer.byteLength(JSON.stringify(event)) < 65_536, event.type);
});

test('whatever list-vms answers within its contract, every VM gets exactly its own request', async () => {
  await fc.assert(
    fc.asyncProperty(arbitraryOf(listVms.output), async (answer) => {
      const asked: unknown[] = [];
      await runFleet(answer, (payload) => asked.push(payload));
      const { vms, request } = answer as { vms: string[]; request: object };
      assert.deepEqual(
        asked,
        vms.map((vm) => ({ ...request, vm })),
      );
      for (const each of asked) assert.deepEqual(backupInput.parse(each), each);
    }),
    { numRuns: 10 },
  );
});
