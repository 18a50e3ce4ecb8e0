/** What every object store promises, whoever runs it; each target names where it falls short of S3, and why. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { ObjectNotFound, RangeNotSatisfiable } from '#lib/store/failures.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { faultSentences } from './faults.ts';
import { multipartSentences } from './multipart-uploads.ts';
import { lockSentences } from './object-lock.ts';
import { versionSentences } from './object-versions.ts';
import type { OpenTarget, Shortcomings } from './store-target.ts';

/** Declares the suite for one target. */
export function objectStoreContract(
  name: string,
  open: () => Promise<OpenTarget>,
  shortcomings: Shortcomings = {},
): void {
  describe(`the object store contract: ${name}`, () => {
    let target: OpenTarget;
    let store: ObjectStore;
    before(async () => {
      target = await open();
      ({ store } = target);
    });
    after(() => target?.[Symbol.asyncDispose]());

    const key = (rest: string) => `${target.prefix}${rest}`;
    const keysUnder = async (prefix: string) => (await Array.fromAsync(store.list(prefix))).map((object) => object.key);

    describe('put and get', () => {
      it('what was put comes back byte for byte', async () => {
        const body = randomBytes(100_000);
        await store.put(key('put/plain'), body);
        assert.deepEqual(await store.get(key('put/plain')), body);
      });

      it('a second put replaces the first', async () => {
        await store.put(key('put/twice'), Buffer.from('one'));
        await store.put(key('put/twice'), Buffer.from('two'));
        assert.equal((await store.get(key('put/twice'))).toString(), 'two');
      });

      it('an object may be empty', async () => {
        await store.put(key('put/empty'), Buffer.alloc(0));
        assert.equal((await store.get(key('put/empty'))).length, 0);
        assert.equal((await store.head(key('put/empty')))?.bytes, 0);
      });

      it('a view of a larger buffer is stored without its surroundings', async () => {
        const surroundings = Buffer.from('xxhelloxx');
        await store.put(key('put/view'), new Uint8Array(surroundings.buffer, surroundings.byteOffset + 2, 5));
        assert.equal((await store.get(key('put/view'))).toString(), 'hello');
      });

      it('keys may hold spaces, plus signs, percent signs, slashes in a row and any script', async () => {
        for (const odd of ['a b', 'a+b', 'a%2Fb', 'a//b', "it's (1)!*", 'über/日本語/🗄', 'a=b&c?d#e']) {
          await store.put(key(`odd/${odd}`), Buffer.from(odd));
          assert.equal((await store.get(key(`odd/${odd}`))).toString(), odd);
        }
        assert.equal((await keysUnder(key('odd/'))).length, 7);
      });

      it('getting an absent object fails with ObjectNotFound, which names the key', async () => {
        await assert.rejects(store.get(key('absent')), (error: Error) => {
          assert(error instanceof ObjectNotFound);
          assert.match(error.message, /absent/);
          return true;
        });
      });

      it('many clients putting and getting at once do not disturb each other', async () => {
        await Promise.all(
          Array.from({ length: 24 }, async (_, index) => {
            const body = randomBytes(10_000 + index);
            await store.put(key(`many/${index}`), body);
            assert.deepEqual(await store.get(key(`many/${index}`)), body);
          }),
        );
      });
    });

    describe('ranges', () => {
      const body = randomBytes(1000);
      before(() => store.put(key('range'), body));

      it('a range is half open', async () => {
        assert.deepEqual(await store.get(key('range'), { range: { start: 10, end: 20 } }), body.subarray(10, 20));
      });

      it('a range may be the whole object, or its last byte', async () => {
        assert.deepEqual(await store.get(key('range'), { range: { start: 0, end: 1000 } }), body);
        assert.deepEqual(await store.get(key('range'), { range: { start: 999, end: 1000 } }), body.subarray(999));
      });

      it('a range that begins past the end fails with RangeNotSatisfiable', async () => {
        await assert.rejects(store.get(key('range'), { range: { start: 1000, end: 1001 } }), RangeNotSatisfiable);
      });

      it('a range that ends past the end fails with RangeNotSatisfiable instead of being cut', async () => {
        await assert.rejects(store.get(key('range'), { range: { start: 990, end: 1001 } }), RangeNotSatisfiable);
      });

      it('an empty range is a mistake of the caller', async () => {
        await assert.rejects(store.get(key('range'), { range: { start: 5, end: 5 } }), /empty range/);
      });
    });

    describe('head', () => {
      it('tells size, time and storage class', async () => {
        const began = Date.now();
        await store.put(key('head'), Buffer.from('hello'), { contentType: 'text/plain' });
        const facts = await store.head(key('head'));
        assert.equal(facts?.bytes, 5);
        assert.equal(facts?.storageClass, 'STANDARD');
        assert.match(facts?.etag ?? '', /^[0-9a-f]{32}$/);
        assert(facts.lastModified instanceof Date);
        assert(Math.abs(facts.lastModified.getTime() - began) < 366 * 86_400_000, 'within a year of this clock');
      });

      it('tells the CRC32 of the object where the store keeps one', async () => {
        await store.put(key('head/crc'), Buffer.from('hello'));
        const expected = shortcomings.ignoresChecksums ? undefined : crc32('hello');
        assert.equal((await store.head(key('head/crc')))?.crc32, expected);
      });

      it('is undefined for an absent object', async () => {
        assert.equal(await store.head(key('head/absent')), undefined);
      });
    });

    describe('put-if-absent', () => {
      it('creates an absent object', async () => {
        assert.equal(await store.putIfAbsent(key('once/new'), Buffer.from('first')), 'created');
        assert.equal((await store.get(key('once/new'))).toString(), 'first');
      });

      it('leaves an existing object alone', async () => {
        await store.put(key('once/taken'), Buffer.from('first'));
        assert.equal(await store.putIfAbsent(key('once/taken'), Buffer.from('second')), 'exists');
        assert.equal((await store.get(key('once/taken'))).toString(), 'first');
      });

      it('a repetition with the same bytes is told that it created them', async () => {
        await store.putIfAbsent(key('once/again'), Buffer.from('same'));
        assert.equal(await store.putIfAbsent(key('once/again'), Buffer.from('same')), 'created');
      });

      it('a deleted key is free again', async () => {
        await store.put(key('once/deleted'), Buffer.from('old'));
        await store.delete(key('once/deleted'));
        assert.equal(await store.putIfAbsent(key('once/deleted'), Buffer.from('new')), 'created');
      });

      it('of many writers at once exactly one creates, and its bytes are the ones stored', async () => {
        const answers = await Promise.all(
          Array.from({ length: 8 }, (_, index) => store.putIfAbsent(key('once/race'), Buffer.from(`writer ${index}`))),
        );
        const winner = answers.indexOf('created');
        assert.deepEqual(answers.toSorted(), ['created', ...Array(7).fill('exists')]);
        assert.equal((await store.get(key('once/race'))).toString(), `writer ${winner}`);
      });
    });

    describe('list', () => {
      it('gives what has the prefix, and nothing else, in the order of the UTF-8 bytes', async () => {
        const names = ['b/2', 'b/10', 'b/', 'b/ä', 'b/ﬀ', 'b/🗄', 'a', 'c', 'b'];
        for (const name of names) await store.put(key(`list/${name}`), Buffer.from(name));
        const expected = ['b/', 'b/10', 'b/2', 'b/ä', 'b/ﬀ', 'b/🗄'].map((name) => key(`list/${name}`));
        assert.deepEqual(await keysUnder(key('list/b/')), expected);
      });

      it('goes on past the first page of a thousand', async () => {
        const names = Array.from({ length: 1005 }, (_, index) => key(`pages/${String(index).padStart(4, '0')}`));
        const queue = names.values();
        const putOn = async () => {
          for (const name of queue) await store.put(name, Buffer.from('x'));
        };
        await Promise.all(Array.from({ length: 16 }, putOn));
        assert.deepEqual(await keysUnder(key('pages/')), names);
      });

      it('tells size and ETag as head does', async () => {
        await store.put(key('listed'), Buffer.from('hello'));
        const [listed] = await Array.fromAsync(store.list(key('listed')));
        const facts = await store.head(key('listed'));
        assert.equal(listed?.bytes, 5);
        assert.equal(listed?.etag, facts?.etag);
      });

      it('is empty where nothing is', async () => {
        assert.deepEqual(await keysUnder(key('list/nothing/here/')), []);
      });
    });

    describe('delete', () => {
      it('removes the object from get, head and list', async () => {
        await store.put(key('delete/me'), Buffer.from('x'));
        await store.delete(key('delete/me'));
        await assert.rejects(store.get(key('delete/me')), ObjectNotFound);
        assert.equal(await store.head(key('delete/me')), undefined);
        assert.deepEqual(await keysUnder(key('delete/')), []);
      });

      it('of an absent object is not an error', async () => {
        await store.delete(key('delete/absent'));
      });
    });

    multipartSentences({ target: () => target, shortcomings });
    faultSentences({ target: () => target, shortcomings });
    versionSentences({ target: () => target, shortcomings });
    lockSentences({ target: () => target, shortcomings });

    it('a call with a signal that has fired rejects with its reason and sends nothing', async () => {
      const reason = new Error('the deadline is near');
      const signal = AbortSignal.abort(reason);
      await assert.rejects(store.put(key('signal'), Buffer.from('x'), { signal }), reason);
      await assert.rejects(store.get(key('signal'), { signal }), reason);
      assert.equal(await store.head(key('signal')), undefined);
    });
  });
}
