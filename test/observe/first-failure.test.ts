import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepFirstFailure } from '#lib/observe/first-failure.ts';
import { parseRunId } from '#lib/units.ts';
import { MemoryBucket } from '../fakes/memory-store.ts';

const run = parseRunId('0123456789abcdef');
const first = { error: 'NbdCertificateMismatch', cause: 'another certificate' };

test('whoever fails later learns of the first failure', async () => {
  const store = new MemoryBucket().store();
  assert.deepEqual(await keepFirstFailure(store, run, first), first);
  assert.deepEqual(await keepFirstFailure(store, run, { error: 'HostBusy', cause: 'full' }), first);
});

test('failures of different runs do not mix', async () => {
  const store = new MemoryBucket().store();
  await keepFirstFailure(store, run, first);
  const other = { error: 'HostBusy', cause: 'full' };
  assert.deepEqual(await keepFirstFailure(store, parseRunId('fedcba9876543210'), other), other);
});
