import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { UploadLost, VaultCorruption, VaultUnavailable } from '#lib/store/failures.ts';
import { MemoryBucket, memoryStore } from '../fakes/memory-store.ts';
import { Crashed, crashAt, faultOnce, seededFaults } from '../fakes/store-faults.ts';

const body = Buffer.from('hello');

describe('the fake in memory fails as a store can', () => {
  it('a lost answer: it happened, and the caller hears that the store is unavailable', async () => {
    const { bucket, store } = memoryStore(faultOnce('lost-answer', ({ operation }) => operation === 'putIfAbsent'));
    await assert.rejects(store.putIfAbsent('k', body), VaultUnavailable);
    assert(bucket.objects.current('k')?.body.equals(body));
    assert.equal(await store.putIfAbsent('k', body), 'created');
  });

  it('unavailable: nothing happened', async () => {
    const { bucket, store } = memoryStore(faultOnce('unavailable', () => true));
    await assert.rejects(store.put('k', body), VaultUnavailable);
    assert.equal(bucket.objects.current('k'), undefined);
  });

  it('a torn upload: Complete fails, and parts and object are not there', async () => {
    const { bucket, store } = memoryStore(
      faultOnce('torn-upload', ({ operation }) => operation.startsWith('complete')),
    );
    const upload = await store.createMultipartUpload('k');
    const part = await store.uploadPart(upload, { partNumber: 1, body, crc32: crc32(body) });
    await assert.rejects(store.completeMultipartUpload(upload, { parts: [part], crc32: part.crc32 }), UploadLost);
    assert.equal(bucket.objects.current('k'), undefined);
    assert.equal(bucket.uploads.under('').length, 0);
  });

  it('slow calls are overtaken', async () => {
    const bucket = new MemoryBucket();
    const order: string[] = [];
    const slow = bucket
      .store({ choose: () => 'slow' })
      .put('k', Buffer.from('slow'))
      .then(() => order.push('slow'));
    const fast = bucket
      .store()
      .put('k', Buffer.from('fast'))
      .then(() => order.push('fast'));
    await Promise.all([slow, fast]);
    assert.deepEqual(order, ['fast', 'slow']);
    assert.equal(bucket.objects.current('k')?.body.toString(), 'slow');
  });

  for (const moment of ['before', 'after'] as const) {
    it(`a crash ${moment} a call: the process has no effect any more, another one goes on`, async () => {
      const bucket = new MemoryBucket();
      const crashed = bucket.store(crashAt(1, moment));
      await crashed.put('first', body);
      await assert.rejects(crashed.put('second', body), Crashed);
      await assert.rejects(crashed.put('third', body), Crashed);
      const left = await Array.fromAsync(bucket.store().list(''));
      assert.deepEqual(
        left.map(({ key }) => key),
        moment === 'before' ? ['first'] : ['first', 'second'],
      );
    });
  }

  it('the same seed chooses the same faults', async () => {
    const outcomes = async (seed: number) => {
      const { store } = memoryStore(seededFaults({ seed, rates: { unavailable: 0.3, 'lost-answer': 0.2 } }));
      const all: string[] = [];
      for (let call = 0; call < 50; call++)
        all.push(
          await store.put('k', body).then(
            () => 'ok',
            () => 'failed',
          ),
        );
      return all.join();
    };
    assert.equal(await outcomes(1), await outcomes(1));
    assert.notEqual(await outcomes(1), await outcomes(2));
  });

  it('keeps every version, and deletions as markers', async () => {
    const { bucket, store } = memoryStore();
    await store.put('k', body);
    await store.delete('k');
    await store.put('k', Buffer.from('again'));
    assert.deepEqual(
      bucket.objects.versions('k').map(({ kind }) => kind),
      ['object', 'delete-marker', 'object'],
    );
  });

  it('counts requests by operation and prefix, listings by the page', async () => {
    const { bucket, store } = memoryStore();
    for (let index = 0; index < 1001; index++) bucket.objects.write(`packs/${index}`, body);
    await store.get('packs/0');
    await store.put('ledger/0', body);
    await Array.fromAsync(store.list('packs/'));
    assert.equal(bucket.count({ operation: 'get', prefix: 'packs/' }), 1);
    assert.equal(bucket.count({ operation: 'get', prefix: 'ledger/' }), 0);
    assert.equal(bucket.count({ operation: 'list' }), 2);
    assert.equal(bucket.count(), 4);
  });

  it('bit rot shows in a whole read, not in head', async () => {
    const { bucket, store } = memoryStore();
    await store.put('k', body);
    bucket.objects.tamper('k', (bytes) => bytes.writeUInt8(0xff, 0));
    assert.equal((await store.head('k'))?.crc32, crc32(body));
    await assert.rejects(store.get('k'), VaultCorruption);
  });
});
