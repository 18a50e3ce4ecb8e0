/**
 * What every store promises when a request goes wrong. One request of one operation does: 503, 409, an answer that gets
 * lost, a slow one, an upload torn away. A store may ride it out by itself or say that it is unavailable; in both cases
 * whoever asks again ends where it would have ended without the fault.
 */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { UploadLost, VaultUnavailable } from '#lib/store/failures.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { StoreFault, StoreOperation } from '../fakes/store-faults.ts';
import type { OpenTarget, Shortcomings } from './store-target.ts';

/** A fault strikes once, so that the second attempt at the latest meets none. */
const ATTEMPTS = 2;

async function untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (failure) {
      if (!(failure instanceof VaultUnavailable) || attempt === ATTEMPTS) throw failure;
    }
  }
}

/** The part of the contract about faults; a target that cannot be made to fail is left in peace. */
export function faultSentences(about: { target: () => OpenTarget; shortcomings: Shortcomings }): void {
  const { target, shortcomings } = about;
  describe('faults', () => {
    const key = (rest: string) => `${target().prefix}faults/${rest}`;
    const body = randomBytes(5000);
    const other = Buffer.from('somebody else was first');
    type Where = { readonly fault: StoreFault; readonly operation: StoreOperation };
    const test = (title: string, where: Where, run: (failing: ObjectStore, store: ObjectStore) => Promise<void>) =>
      it(title, async (context) => {
        const { store, failing, struck } = target();
        if (failing === undefined) return context.skip('this bucket cannot be made to fail');
        const before = struck?.() ?? 0;
        await run(failing(where.fault, where.operation), store);
        assert.equal((struck?.() ?? 1) - before, 1, 'the fault struck once');
      });
    const begun = async (store: ObjectStore, name: string) => {
      const upload = await store.createMultipartUpload(key(name));
      const part = await store.uploadPart(upload, { partNumber: 1, body, crc32: crc32(body) });
      return { upload, whole: { parts: [part], crc32: part.crc32 } };
    };
    const versionsOf = async (name: string) => {
      const { store, versioned } = target();
      return versioned?.store === store ? (await Array.fromAsync(versioned.versions.list(key(name)))).length : 1;
    };

    for (const fault of ['unavailable', 'conflict', 'lost-answer', 'slow'] as const) {
      test(
        `${fault}: a put-if-absent asked until it is answered creates once`,
        { fault, operation: 'putIfAbsent' },
        async (failing, store) => {
          const name = `once-${fault}`;
          assert.equal(await untilAnswered(() => failing.putIfAbsent(key(name), body)), 'created');
          assert.deepEqual(await store.get(key(name)), body);
          assert.equal(await versionsOf(name), 1);
        },
      );

      test(
        `${fault}: a put-if-absent where somebody was first says so`,
        { fault, operation: 'putIfAbsent' },
        async (failing, store) => {
          await store.put(key(`taken-${fault}`), other);
          assert.equal(await untilAnswered(() => failing.putIfAbsent(key(`taken-${fault}`), body)), 'exists');
          assert.deepEqual(await store.get(key(`taken-${fault}`)), other);
        },
      );
    }

    test(
      'slow: of two writers of a key the one that is overtaken learns it',
      { fault: 'slow', operation: 'putIfAbsent' },
      async (failing, store) => {
        const slow = failing.putIfAbsent(key('overtaken'), body);
        assert.equal(await store.putIfAbsent(key('overtaken'), other), 'created');
        assert.equal(await slow, 'exists');
      },
    );

    for (const fault of ['unavailable', 'lost-answer', 'slow'] as const) {
      test(
        `${fault}: a Complete asked until it is answered makes the object`,
        { fault, operation: 'completeMultipartUpload' },
        async (failing, store) => {
          const { upload, whole } = await begun(store, `complete-${fault}`);
          await untilAnswered(() => failing.completeMultipartUpload(upload, whole));
          assert.deepEqual(await store.get(key(`complete-${fault}`)), body);
          assert.equal(await versionsOf(`complete-${fault}`), 1);
        },
      );
    }

    for (const fault of ['conflict', 'torn-upload'] as const) {
      test(
        `${fault}: a Complete that cannot succeed any more fails with UploadLost, and the object can be written again`,
        { fault, operation: 'completeMultipartUpload' },
        async (failing, store) => {
          const name = `again-${fault}`;
          const first = await begun(store, name);
          await assert.rejects(
            untilAnswered(() => failing.completeMultipartUpload(first.upload, first.whole)),
            shortcomings.mistakesGoneForBusy && fault === 'torn-upload' ? VaultUnavailable : UploadLost,
          );
          assert.equal(await store.head(key(name)), undefined);
          await store.abortMultipartUpload(first.upload);
          const second = await begun(store, name);
          await failing.completeMultipartUpload(second.upload, second.whole);
          assert.deepEqual(await store.get(key(name)), body);
        },
      );
    }

    for (const fault of ['unavailable', 'lost-answer'] as const) {
      test(`${fault}: a part is sent again`, { fault, operation: 'uploadPart' }, async (failing, store) => {
        const upload = await store.createMultipartUpload(key(`part-${fault}`));
        const part = await untilAnswered(() => failing.uploadPart(upload, { partNumber: 1, body, crc32: crc32(body) }));
        await store.completeMultipartUpload(upload, { parts: [part], crc32: part.crc32 });
        assert.deepEqual(await store.get(key(`part-${fault}`)), body);
      });

      test(`${fault}: what is read comes whole`, { fault, operation: 'get' }, async (failing, store) => {
        await store.put(key(`read-${fault}`), body);
        assert.deepEqual(await untilAnswered(() => failing.get(key(`read-${fault}`))), body);
      });

      test(
        `${fault}: absent is said of what is absent, not of what could not be asked`,
        { fault, operation: 'head' },
        async (failing, store) => {
          await store.put(key(`seen-${fault}`), body);
          assert.equal((await untilAnswered(() => failing.head(key(`seen-${fault}`))))?.bytes, body.length);
        },
      );

      test(`${fault}: a listing is whole`, { fault, operation: 'list' }, async (failing, store) => {
        for (const name of ['1', '2', '3']) await store.put(key(`list-${fault}/${name}`), body);
        const listed = await untilAnswered(() => Array.fromAsync(failing.list(key(`list-${fault}/`))));
        assert.equal(listed.length, 3);
      });

      test(`${fault}: what is deleted is gone`, { fault, operation: 'delete' }, async (failing, store) => {
        await store.put(key(`gone-${fault}`), body);
        await untilAnswered(() => failing.delete(key(`gone-${fault}`)));
        assert.equal(await store.head(key(`gone-${fault}`)), undefined);
      });
    }
  });
}
