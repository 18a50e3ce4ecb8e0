import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { UploadLost, VaultUnavailable } from '#lib/store/failures.ts';
import { MultipartWriter, type MultipartWriterSettings } from '#lib/store/multipart-writer.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { MIB } from '#lib/units.ts';
import { memoryStore } from '../fakes/memory-store.ts';
import { faultOnce, type StoreCall } from '../fakes/store-faults.ts';

const PART_BYTES = 5 * MIB;
const isPart = (call: StoreCall) => call.operation === 'uploadPart';
const isComplete = (call: StoreCall) => call.operation === 'completeMultipartUpload';

function writerOn(store: ObjectStore, settings: Partial<MultipartWriterSettings> = {}): MultipartWriter {
  return new MultipartWriter({ store, key: 'pack', partBytes: PART_BYTES, ...settings });
}

/** Writes `body` in pieces that do not fit parts. */
async function writeAll(writer: MultipartWriter, body: Buffer): Promise<void> {
  for (let offset = 0; offset < body.length; offset += 700_001)
    await writer.write(body.subarray(offset, offset + 700_001));
}

/** A store that counts how many parts are on their way at once, and when the upload is dropped. */
function watched(store: ObjectStore) {
  let onTheirWay = 0;
  const seen = { most: 0, atAbort: undefined as number | undefined, buffers: new Set<ArrayBufferLike>() };
  const watcher = Object.create(store) as ObjectStore;
  for (const name of ['put', 'createMultipartUpload', 'completeMultipartUpload'] as const) {
    Object.assign(watcher, { [name]: store[name].bind(store) });
  }
  watcher.uploadPart = async (...args) => {
    seen.buffers.add(args[1].body.buffer);
    seen.most = Math.max(seen.most, ++onTheirWay);
    return store.uploadPart(...args).finally(() => onTheirWay--);
  };
  watcher.abortMultipartUpload = async (upload) => {
    seen.atAbort = onTheirWay;
    await store.abortMultipartUpload(upload);
  };
  return { store: watcher, seen };
}

describe('the multipart writer', () => {
  const large = randomBytes(4 * PART_BYTES + 12_345);

  it('writes an object of several parts and tells its size and CRC32', async () => {
    const { bucket, store } = memoryStore();
    const writer = writerOn(store);
    await writeAll(writer, large);
    assert.deepEqual(await writer.finish(), { bytes: large.length, crc32: crc32(large), parts: 5 });
    assert(bucket.objects.current('pack')?.body.equals(large));
    assert.equal(bucket.uploads.under('').length, 0);
  });

  for (const bytes of [0, 1, PART_BYTES - 1, PART_BYTES]) {
    it(`writes ${bytes} bytes with a single put`, async () => {
      const { bucket, store } = memoryStore();
      const writer = writerOn(store);
      await writeAll(writer, large.subarray(0, bytes));
      const expected = { bytes, crc32: crc32(large.subarray(0, bytes)), parts: 1 };
      assert.deepEqual(await writer.finish(), expected);
      assert(bucket.objects.current('pack')?.body.equals(large.subarray(0, bytes)));
      assert.deepEqual(
        bucket.requests.map(({ operation }) => operation),
        ['put'],
      );
    });
  }

  it('the last of whole parts is not empty', async () => {
    const { store } = memoryStore();
    const writer = writerOn(store);
    await writeAll(writer, large.subarray(0, 2 * PART_BYTES));
    assert.equal((await writer.finish()).parts, 2);
  });

  it('copies what it is given: the caller may overwrite its chunk at once', async () => {
    const { bucket, store } = memoryStore();
    const writer = writerOn(store);
    const chunk = Buffer.from('before');
    await writer.write(chunk);
    chunk.write('after!');
    await writer.finish();
    assert.equal(bucket.objects.current('pack')?.body.toString(), 'before');
  });

  it('never has more parts on their way than it may, and recycles one buffer more than that', async () => {
    const { store } = memoryStore({ choose: () => 'slow' });
    const counted = watched(store);
    const writer = writerOn(counted.store, { inFlight: 2 });
    await writeAll(writer, large);
    await writer.finish();
    assert.equal(counted.seen.most, 2);
    assert.equal(counted.seen.buffers.size, 3);
  });

  it('sends a part again when the store was unavailable or the answer got lost', async () => {
    for (const fault of ['unavailable', 'lost-answer'] as const) {
      const { bucket, store } = memoryStore(faultOnce(fault, isPart));
      const writer = writerOn(store);
      await writeAll(writer, large);
      await writer.finish();
      assert(bucket.objects.current('pack')?.body.equals(large));
      assert.equal(bucket.count({ operation: 'uploadPart' }), 6);
    }
  });

  it('a part that keeps failing stops everything, and the upload is dropped', async () => {
    const { bucket, store } = memoryStore({ choose: (call) => (isPart(call) ? 'unavailable' : undefined) });
    const writer = writerOn(store);
    await assert.rejects(async () => {
      await writeAll(writer, large);
      await writer.finish();
    }, VaultUnavailable);
    assert.equal(bucket.uploads.under('').length, 0);
    assert.equal(bucket.objects.current('pack'), undefined);
    assert(bucket.count({ operation: 'uploadPart' }) <= 6, 'at most three attempts of the two parts on their way');
  });

  it('every call after a failure fails with the first reason', async () => {
    const { store } = memoryStore({ choose: (call) => (isPart(call) ? 'unavailable' : undefined) });
    const writer = writerOn(store);
    const first = await writeAll(writer, large)
      .then(() => writer.finish())
      .catch((error: unknown) => error);
    await assert.rejects(writer.write(large), (error) => error === first);
    await assert.rejects(writer.finish(), (error) => error === first);
  });

  it('an upload that vanished fails at once, without sending the part again', async () => {
    const { bucket, store } = memoryStore({
      before: ({ operation, key }) => {
        if (operation === 'uploadPart') bucket.uploads.dropAll(key);
      },
    });
    const writer = writerOn(store);
    await assert.rejects(
      writeAll(writer, large).then(() => writer.finish()),
      UploadLost,
    );
    assert(bucket.count({ operation: 'uploadPart' }) <= 2);
  });

  it('a Complete that fails leaves no upload behind', async () => {
    const { bucket, store } = memoryStore(faultOnce('conflict', isComplete));
    const writer = writerOn(store);
    await writeAll(writer, large);
    await assert.rejects(writer.finish(), UploadLost);
    assert.equal(bucket.uploads.under('').length, 0);
  });

  it('a failure is reported although dropping the upload fails too', async () => {
    const { store } = memoryStore({
      choose: ({ operation }) =>
        ['uploadPart', 'abortMultipartUpload'].includes(operation) ? 'unavailable' : undefined,
    });
    const writer = writerOn(store);
    await assert.rejects(
      writeAll(writer, large).then(() => writer.finish()),
      /uploadPart/,
    );
  });

  it('abort drops the upload; further calls fail; aborting again does nothing', async () => {
    const { bucket, store } = memoryStore();
    const writer = writerOn(store);
    await writeAll(writer, large);
    await writer.abort();
    await writer.abort();
    assert.equal(bucket.uploads.under('').length, 0);
    await assert.rejects(writer.finish(), /given up/);
    assert.equal(bucket.objects.current('pack'), undefined);
  });

  it('drops the upload only when no part is on its way any more: a late one would be stored and billed', async () => {
    // The first part fails at once; the second is still held up when that is known, and takes no notice of the signal.
    let released: (() => void) | undefined;
    let parts = 0;
    const { store } = memoryStore({
      choose: (call) => (isPart(call) && ++parts !== 2 ? 'unavailable' : undefined),
      after: async (call) => {
        if (isPart(call)) await new Promise<void>((resolve) => (released = resolve));
      },
    });
    const counted = watched(store);
    const writer = writerOn(counted.store);
    const failing = assert.rejects(
      writeAll(writer, large).then(() => writer.finish()),
      VaultUnavailable,
    );
    while (released === undefined) await setImmediate();
    for (let turn = 0; turn < 50; turn++) await setImmediate();
    assert.equal(counted.seen.atAbort, undefined);
    released();
    await failing;
    assert.equal(counted.seen.atAbort, 0);
  });

  it('abort after finish leaves the object alone', async () => {
    const { bucket, store } = memoryStore();
    const writer = writerOn(store);
    await writeAll(writer, large);
    await writer.finish();
    await writer.abort();
    assert(bucket.objects.current('pack')?.body.equals(large));
  });

  it("stops with the signal's reason when it fires", async () => {
    const { bucket, store } = memoryStore({ choose: () => 'slow' });
    const stop = new AbortController();
    const reason = new Error('the deadline is near');
    const writer = writerOn(store, { options: { signal: stop.signal } });
    await writeAll(writer, large.subarray(0, 3 * PART_BYTES));
    stop.abort(reason);
    await assert.rejects(writer.write(large), reason);
    assert.equal(bucket.uploads.under('').length, 0);
  });

  it('hands on how the object is to be stored', async () => {
    const { bucket, store } = memoryStore();
    for (const bytes of [10, large.length]) {
      const writer = writerOn(store, { options: { storageClass: 'GLACIER_IR' } });
      await writeAll(writer, large.subarray(0, bytes));
      await writer.finish();
      assert.equal(bucket.objects.current('pack')?.storageClass, 'GLACIER_IR');
    }
  });

  it('refuses parts that S3 would refuse', () => {
    const { store } = memoryStore();
    assert.throws(() => writerOn(store, { partBytes: PART_BYTES - 1 }), /smaller than S3 accepts/);
  });
});
