import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { examineVault } from '#lib/host/vault-examination.ts';
import { memoryStore } from '../fakes/memory-store.ts';

test('the doctor finds a store that keeps conditional writes fit for a vault, and leaves nothing there', async () => {
  const { bucket, store } = memoryStore();
  const [finding, ...others] = await examineVault({ store, random: randomBytes });
  assert.deepEqual([finding?.state, others], ['ok', []]);
  assert.deepEqual(bucket.objects.keys(), []);
});

test('the doctor warns of a store that ignores If-None-Match, as Ceph 16 does in buckets with versions', async () => {
  const { store } = memoryStore();
  const careless = {
    put: store.put.bind(store),
    get: store.get.bind(store),
    list: store.list.bind(store),
    delete: store.delete.bind(store),
    putIfAbsent: async (key: string, body: Uint8Array) => {
      await store.put(key, body);
      return 'created' as const;
    },
  };
  const [finding] = await examineVault({ store: { ...store, ...careless } as typeof store, random: randomBytes });
  assert.equal(finding?.state, 'failed');
  assert.match(JSON.stringify(finding), /told not to replace.*If-None-Match/);
});
