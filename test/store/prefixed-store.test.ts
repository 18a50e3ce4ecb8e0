import assert from 'node:assert/strict';
import { test } from 'node:test';
import { underPrefix } from '#lib/store/prefixed-store.ts';
import { MemoryBucket } from '../fakes/memory-store.ts';

test("a vault with a prefix finds its own keys and nobody else's", async () => {
  const bucket = new MemoryBucket();
  const whole = bucket.store();
  const vault = underPrefix(whole, 'backups/');
  await whole.put('runs/foreign.json', Buffer.from('x'));
  await vault.put('runs/a.json', Buffer.from('own'));
  const upload = await vault.createMultipartUpload('packs/p');
  const keys: string[] = [];
  for await (const { key } of vault.list('runs/')) keys.push(key);
  assert.deepEqual(keys, ['runs/a.json']);
  assert.equal(String(await vault.get('runs/a.json')), 'own');
  assert.equal(String(await whole.get('backups/runs/a.json')), 'own');
  assert.equal(upload.key, 'packs/p');
  const uploads: string[] = [];
  for await (const { key } of whole.listMultipartUploads('backups/')) uploads.push(key);
  assert.deepEqual(uploads, ['backups/packs/p']);
  assert.equal(await vault.head('runs/foreign.json'), undefined);
  await vault.abortMultipartUpload(upload);
});
