/** What every bucket with Object Lock promises. Locks last seconds, so that a bucket of the user's is clean afterwards. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { ObjectNotFound, VaultAccessDenied } from '#lib/store/failures.ts';
import type { LockMode } from '#lib/store/object-lock.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { ObjectVersion, ObjectVersions } from '#lib/store/object-versions.ts';
import type { OpenTarget, Shortcomings } from './store-target.ts';

/** Whole seconds, as S3 keeps them. */
const inSeconds = (seconds: number) => new Date((Math.floor(Date.now() / 1000) + seconds) * 1000);

/** The part of the contract about locks; `target` is open when the tests run. */
export function lockSentences(about: { target: () => OpenTarget; shortcomings: Shortcomings }): void {
  const { target, shortcomings } = about;
  describe('locks', () => {
    const key = (rest: string) => `${target().prefix}locks/${rest}`;
    const lockOf = async (name: string) => (await target().versioned?.store.head(key(name)))?.lock;
    const only = async (versions: ObjectVersions, name: string): Promise<ObjectVersion> => {
      const [version] = await Array.fromAsync(versions.list(key(name)));
      assert.ok(version);
      return version;
    };
    const test = (title: string, run: (store: ObjectStore, versions: ObjectVersions) => Promise<void>) =>
      it(title, async (context) => {
        const { versioned } = target();
        if (versioned?.lockMode === undefined) context.skip('the bucket was made without Object Lock');
        else await run(versioned.store, versioned.versions);
      });
    const mode = (): LockMode => target().versioned?.lockMode ?? 'GOVERNANCE';

    test('an object may be written with a lock, by put, by put-if-absent and in parts', async (store) => {
      const lock = { mode: mode(), until: inSeconds(3) };
      await store.put(key('put'), Buffer.from('x'), { lock });
      assert.equal(await store.putIfAbsent(key('once'), Buffer.from('x'), { lock }), 'created');
      const upload = await store.createMultipartUpload(key('parts'), { lock });
      const body = Buffer.from('x');
      const part = await store.uploadPart(upload, { partNumber: 1, body, crc32: crc32(body) });
      await store.completeMultipartUpload(upload, { parts: [part], crc32: crc32(body) });
      for (const name of ['put', 'once']) assert.deepEqual(await lockOf(name), lock, name);
      assert.deepEqual(await lockOf('parts'), shortcomings.forgetsLocksOfUploads ? undefined : lock);
    });

    test('an object written without a lock has none', async (store, versions) => {
      await store.put(key('none'), Buffer.from('x'));
      assert.equal(await lockOf('none'), undefined);
      assert.equal(await versions.lockOf(await only(versions, 'none')), undefined);
    });

    test('a locked version cannot be removed before its time, and can afterwards', async (store, versions) => {
      const until = inSeconds(2);
      await store.put(key('held'), Buffer.from('x'), { lock: { mode: mode(), until } });
      const version = await only(versions, 'held');
      assert.deepEqual(await versions.lockOf(version), { mode: mode(), until });
      await assert.rejects(versions.remove(version), VaultAccessDenied);
      await delay(until.getTime() - Date.now() + 1100);
      await versions.remove(version);
      assert.equal(await versions.lockOf(version), undefined, 'nothing holds what is gone');
    });

    test('a delete marker and a new version may cover a locked one, which stays', async (store, versions) => {
      await store.put(key('covered'), Buffer.from('locked'), { lock: { mode: mode(), until: inSeconds(3) } });
      const locked = await only(versions, 'covered');
      await store.put(key('covered'), Buffer.from('over'));
      await store.delete(key('covered'));
      assert.equal(await store.head(key('covered')), undefined);
      await assert.rejects(versions.remove(locked), VaultAccessDenied);
    });

    test('a lock is moved out, as often as one likes', async (store) => {
      const later = { mode: mode(), until: inSeconds(4) };
      await store.put(key('longer'), Buffer.from('x'), { lock: { mode: mode(), until: inSeconds(2) } });
      await store.extendLock(key('longer'), later);
      await store.extendLock(key('longer'), later);
      assert.deepEqual(await lockOf('longer'), later);
    });

    test('a lock is never moved in: asking for less is not an error and changes nothing', async (store) => {
      const lock = { mode: mode(), until: inSeconds(4) };
      await store.put(key('shorter'), Buffer.from('x'), { lock });
      await store.extendLock(key('shorter'), { mode: mode(), until: inSeconds(2) });
      assert.deepEqual(await lockOf('shorter'), lock);
    });

    test('an object without lock gets one', async (store) => {
      const lock = { mode: mode(), until: inSeconds(3) };
      await store.put(key('late'), Buffer.from('x'));
      await store.extendLock(key('late'), lock);
      assert.deepEqual(await lockOf('late'), lock);
    });

    test('a compliance lock that is extended under governance stays one of compliance', async (store) => {
      const until = inSeconds(3);
      await store.put(key('strict'), Buffer.from('x'), { lock: { mode: 'COMPLIANCE', until: inSeconds(2) } });
      await store.extendLock(key('strict'), { mode: 'GOVERNANCE', until });
      assert.deepEqual(await lockOf('strict'), { mode: 'COMPLIANCE', until });
    });

    test('extending the lock of an absent object fails with ObjectNotFound', async (store) => {
      const lock = { mode: mode(), until: inSeconds(2) };
      await assert.rejects(store.extendLock(key('absent'), lock), ObjectNotFound);
    });
  });
}
