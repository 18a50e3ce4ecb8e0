/** What every bucket with versions promises, to whoever looks behind current objects. */

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ObjectNotFound } from '#lib/store/failures.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { ObjectVersions } from '#lib/store/object-versions.ts';
import type { OpenTarget, Shortcomings } from './store-target.ts';

/** The part of the contract about versions; `target` is open when the tests run. */
export function versionSentences(about: { target: () => OpenTarget; shortcomings: Shortcomings }): void {
  const { target, shortcomings } = about;
  describe('versions', () => {
    const key = (rest: string) => `${target().prefix}versions/${rest}`;
    const listed = async (versions: ObjectVersions, prefix: string) => {
      const found = [];
      for await (const { key: name, kind, current, bytes } of versions.list(prefix)) {
        found.push({ name: name.slice(key('').length), kind, current, bytes });
      }
      return found;
    };
    const test = (title: string, run: (store: ObjectStore, versions: ObjectVersions) => Promise<void>) =>
      it(title, async (context) => {
        const { versioned } = target();
        if (versioned === undefined) context.skip('the bucket keeps no versions');
        else await run(versioned.store, versioned.versions);
      });

    test('every version and delete marker is listed, newest first within a key', async (store, versions) => {
      await store.put(key('a'), Buffer.alloc(1));
      await store.put(key('a'), Buffer.alloc(2));
      await store.delete(key('a'));
      await store.put(key('b'), Buffer.alloc(3));
      assert.deepEqual(await listed(versions, key('')), [
        { name: 'a', kind: 'delete-marker', current: true, bytes: 0 },
        { name: 'a', kind: 'object', current: false, bytes: 2 },
        { name: 'a', kind: 'object', current: false, bytes: 1 },
        { name: 'b', kind: 'object', current: true, bytes: 3 },
      ]);
    });

    test('behind a delete marker nothing is found by get, head and list, and put-if-absent creates', async (store, versions) => {
      await store.put(key('marked'), Buffer.from('old'));
      await store.delete(key('marked'));
      await assert.rejects(store.get(key('marked')), ObjectNotFound);
      assert.equal(await store.head(key('marked')), undefined);
      assert.deepEqual(await Array.fromAsync(store.list(key('marked'))), []);
      assert.equal(await store.putIfAbsent(key('marked'), Buffer.from('new')), 'created');
      assert.equal((await listed(versions, key('marked'))).length, 3);
    });

    test('put-if-absent leaves alone what is there', async (store, versions) => {
      await store.put(key('taken'), Buffer.from('first'));
      const answer = await store.putIfAbsent(key('taken'), Buffer.from('second'));
      const stored = (await listed(versions, key('taken'))).length;
      assert.deepEqual([answer, stored], shortcomings.overwritesVersions ? ['created', 2] : ['exists', 1]);
    });

    test('what lay below a version that is removed becomes the object again', async (store, versions) => {
      await store.put(key('undo'), Buffer.from('right'));
      await store.put(key('undo'), Buffer.from('wrong'));
      await store.delete(key('undo'));
      for await (const version of versions.list(key('undo'))) {
        if (version.current || version.bytes === 5) await versions.remove(version);
        if (version.kind === 'object') break;
      }
      assert.equal((await store.get(key('undo'))).toString(), 'right');
    });

    test('removing a version twice is not an error', async (store, versions) => {
      await store.put(key('twice'), Buffer.from('x'));
      const [version] = await Array.fromAsync(versions.list(key('twice')));
      assert.ok(version);
      await versions.remove(version);
      await versions.remove(version);
      assert.deepEqual(await listed(versions, key('twice')), []);
    });
  });
}
