/** What every object store promises about multipart uploads. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { UploadLost, VaultCorruption, VaultUnavailable } from '#lib/store/failures.ts';
import type { MultipartUpload, ObjectStore, UploadedPart } from '#lib/store/object-store.ts';
import { MIB } from '#lib/units.ts';
import type { OpenTarget, Shortcomings } from './store-target.ts';

const PART_BYTES = 5 * MIB;

const wrongly = (crc32: number) => (crc32 ^ 1) >>> 0;

/** The part of the contract about multipart uploads; `target` is open when the tests run. */
export function multipartSentences(about: { target: () => OpenTarget; shortcomings: Shortcomings }): void {
  const { target, shortcomings } = about;
  const gone = shortcomings.mistakesGoneForBusy ? VaultUnavailable : UploadLost;
  describe('multipart uploads', () => {
    let store: ObjectStore;
    before(() => {
      store = target().store;
    });
    const key = (rest: string) => `${target().prefix}mpu/${rest}`;
    const first = randomBytes(PART_BYTES);
    const second = randomBytes(PART_BYTES);
    const last = randomBytes(1234);
    const send = (upload: MultipartUpload, partNumber: number, body: Buffer) =>
      store.uploadPart(upload, { partNumber, body, crc32: crc32(body) });
    const wholeOf = (parts: readonly UploadedPart[], ...bodies: Buffer[]) => ({
      parts,
      crc32: crc32(Buffer.concat(bodies)),
    });

    it('parts sent in any order become one object in the order of their numbers', async () => {
      const upload = await store.createMultipartUpload(key('order'));
      const three = await send(upload, 3, last);
      const one = await send(upload, 1, first);
      const two = await send(upload, 2, second);
      await store.completeMultipartUpload(upload, wholeOf([one, two, three], first, second, last));
      const stored = await store.get(key('order'));
      assert(stored.equals(Buffer.concat([first, second, last])));
    });

    it('the CRC32 of the whole object is kept, not one of checksums', async () => {
      const facts = await store.head(key('order'));
      assert.equal(facts?.bytes, 2 * PART_BYTES + 1234);
      const expected = shortcomings.ignoresChecksums ? undefined : crc32(Buffer.concat([first, second, last]));
      assert.equal(facts?.crc32, expected);
    });

    it('a range may span parts', async () => {
      const range = { start: PART_BYTES - 10, end: PART_BYTES + 10 };
      const expected = Buffer.concat([first.subarray(-10), second.subarray(0, 10)]);
      assert.deepEqual(await store.get(key('order'), { range }), expected);
    });

    it('the part sent last with a number counts', async () => {
      const upload = await store.createMultipartUpload(key('resent'));
      await send(upload, 1, Buffer.from('wrong'));
      const part = await send(upload, 1, Buffer.from('right'));
      await store.completeMultipartUpload(upload, wholeOf([part], Buffer.from('right')));
      assert.equal((await store.get(key('resent'))).toString(), 'right');
    });

    it('part numbers may have gaps', async () => {
      const upload = await store.createMultipartUpload(key('gaps'));
      const parts = [await send(upload, 7, first), await send(upload, 10_000, last)];
      await store.completeMultipartUpload(upload, wholeOf(parts, first, last));
      assert.equal((await store.head(key('gaps')))?.bytes, PART_BYTES + 1234);
    });

    it('an upload that is not complete is no object', async () => {
      const upload = await store.createMultipartUpload(key('unfinished'));
      await send(upload, 1, last);
      assert.equal(await store.head(key('unfinished')), undefined);
      assert.deepEqual(await Array.fromAsync(store.list(key('unfinished'))), []);
      await store.abortMultipartUpload(upload);
    });

    it('completing again what is complete is not an error', async () => {
      const upload = await store.createMultipartUpload(key('again'));
      const whole = wholeOf([await send(upload, 1, last)], last);
      await store.completeMultipartUpload(upload, whole);
      await store.completeMultipartUpload(upload, whole);
      assert.deepEqual(await store.get(key('again')), last);
    });

    it('completing an aborted upload fails with UploadLost', async () => {
      const upload = await store.createMultipartUpload(key('aborted'));
      const part = await send(upload, 1, last);
      await store.abortMultipartUpload(upload);
      await assert.rejects(store.completeMultipartUpload(upload, wholeOf([part], last)), gone);
      assert.equal(await store.head(key('aborted')), undefined);
    });

    it('completing an aborted upload fails even where another object of the same size lies', async () => {
      await store.put(key('other'), randomBytes(last.length));
      const upload = await store.createMultipartUpload(key('other'));
      const part = await send(upload, 1, last);
      await store.abortMultipartUpload(upload);
      await assert.rejects(store.completeMultipartUpload(upload, wholeOf([part], last)), gone);
    });

    it('sending a part to an aborted upload fails with UploadLost', async () => {
      const upload = await store.createMultipartUpload(key('late'));
      await store.abortMultipartUpload(upload);
      await assert.rejects(send(upload, 1, last), UploadLost);
    });

    it('aborting twice is not an error', async () => {
      const upload = await store.createMultipartUpload(key('twice'));
      await store.abortMultipartUpload(upload);
      await store.abortMultipartUpload(upload);
    });

    it('a part with an ETag that was never given fails with UploadLost', async () => {
      const upload = await store.createMultipartUpload(key('etag'));
      const part = await send(upload, 1, last);
      const wrong = { ...part, etag: '0123456789abcdef0123456789abcdef' };
      await assert.rejects(store.completeMultipartUpload(upload, wholeOf([wrong], last)), UploadLost);
      await store.abortMultipartUpload(upload);
    });

    it('a part below 5 MiB that is not the last fails with UploadLost', async () => {
      const upload = await store.createMultipartUpload(key('small'));
      const parts = [await send(upload, 1, last), await send(upload, 2, last)];
      await assert.rejects(store.completeMultipartUpload(upload, wholeOf(parts, last, last)), UploadLost);
      await store.abortMultipartUpload(upload);
    });

    it('parts out of order are refused', async () => {
      const upload = await store.createMultipartUpload(key('disorder'));
      const parts = [await send(upload, 2, last), await send(upload, 1, first)];
      const complete = store.completeMultipartUpload(upload, wholeOf(parts, first, last));
      if (shortcomings.sortsParts) return complete;
      await assert.rejects(complete, UploadLost);
      await store.abortMultipartUpload(upload);
    });

    it('a part that is not named in the list is not in the object', async () => {
      const upload = await store.createMultipartUpload(key('subset'));
      await send(upload, 2, second);
      const parts = [await send(upload, 1, first), await send(upload, 3, last)];
      const complete = store.completeMultipartUpload(upload, wholeOf(parts, first, last));
      if (shortcomings.wantsEveryPart) {
        await assert.rejects(complete, UploadLost);
        return store.abortMultipartUpload(upload);
      }
      await complete;
      assert.equal((await store.head(key('subset')))?.bytes, PART_BYTES + 1234);
    });

    it('a part with a wrong CRC32 fails with VaultCorruption', async () => {
      const upload = await store.createMultipartUpload(key('part-crc'));
      const sending = store.uploadPart(upload, { partNumber: 1, body: last, crc32: wrongly(crc32(last)) });
      if (shortcomings.ignoresChecksums) await sending;
      else await assert.rejects(sending, VaultCorruption);
      await store.abortMultipartUpload(upload);
    });

    it('a wrong CRC32 of the whole fails with VaultCorruption and makes no object', async () => {
      const upload = await store.createMultipartUpload(key('whole-crc'));
      const whole = { parts: [await send(upload, 1, last)], crc32: wrongly(crc32(last)) };
      const complete = store.completeMultipartUpload(upload, whole);
      if (shortcomings.ignoresChecksums) return complete;
      await assert.rejects(complete, VaultCorruption);
      assert.equal(await store.head(key('whole-crc')), undefined);
      await store.abortMultipartUpload(upload);
    });

    it('unfinished uploads are listed by prefix until they are completed or aborted', async () => {
      const listed = async () => {
        const uploads = await Array.fromAsync(store.listMultipartUploads(key('uploads/')));
        return uploads.map(({ uploadId }) => uploadId).toSorted();
      };
      const one = await store.createMultipartUpload(key('uploads/1'));
      const two = await store.createMultipartUpload(key('uploads/2'));
      const same = await store.createMultipartUpload(key('uploads/2'));
      await store.createMultipartUpload(key('uploadsnot')).then((other) => store.abortMultipartUpload(other));
      assert.deepEqual(await listed(), [one.uploadId, two.uploadId, same.uploadId].toSorted());
      await store.abortMultipartUpload(two);
      await store.completeMultipartUpload(one, wholeOf([await send(one, 1, last)], last));
      assert.deepEqual(await listed(), [same.uploadId]);
      await store.abortMultipartUpload(same);
      assert.deepEqual(await listed(), []);
    });
  });
}
