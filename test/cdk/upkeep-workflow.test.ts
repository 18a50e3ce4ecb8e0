import assert from 'node:assert/strict';
import { test } from 'node:test';
import { validateDefinition } from '#local/states/validation.ts';
import { Bench, fails } from '../local/states/bench.ts';
import { synthesize } from './installation.ts';

const { upkeep } = synthesize();

async function runUpkeep(sweep: () => unknown, verify: () => unknown) {
  const bench = new Bench();
  const calls: string[] = [];
  const noting = (name: string, answer: () => unknown) => () => {
    calls.push(name);
    return answer();
  };
  bench.functions.set('sweep-runs', noting('sweep-runs', sweep));
  bench.functions.set('verify-points', noting('verify-points', verify));
  const { status, error, cause } = await bench.run(upkeep);
  return { status, error, cause, calls };
}
const swept = () => ({ removed: 0, left: 0 });
const verified = () => ({ disks: 2, findings: 0 });
const failing = (name: string) => () => {
  throw fails(name, `${name} happened`);
};

test('both public validators accept the definition', async () => {
  await validateDefinition(upkeep);
});

test('the vault is swept and verified', async () => {
  const { status, calls } = await runUpkeep(swept, verified);
  assert.deepEqual([status, calls], ['SUCCEEDED', ['sweep-runs', 'verify-points']]);
});

test('a sweep that fails keeps nobody from verifying, and is still the end of the run', async () => {
  const { status, error, cause, calls } = await runUpkeep(failing('RoleInsufficient'), verified);
  assert.deepEqual([status, error, cause], ['FAILED', 'RoleInsufficient', 'RoleInsufficient happened']);
  assert.equal(calls.at(-1), 'verify-points');
});

test('when both fail, the run ends with the first failure', async () => {
  const { error } = await runUpkeep(failing('RoleInsufficient'), failing('DamagedObject'));
  assert.equal(error, 'RoleInsufficient');
});

test('findings are not a success', async () => {
  const { status, error } = await runUpkeep(swept, () => ({ disks: 2, findings: 1 }));
  assert.deepEqual([status, error], ['FAILED', 'VaultDamaged']);
  assert.equal((await runUpkeep(swept, failing('DamagedObject'))).error, 'DamagedObject');
});
