import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { Secret } from '#lib/secret.ts';
import { UploadLost, VaultCorruption, VaultUnavailable } from '#lib/store/failures.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { startS3Server } from '#local/s3/server.ts';
import type { ProxyFaults } from '../servers/fault-proxy.ts';
import { BUCKET, type Embedded, startEmbedded } from './embedded.ts';

/** The server does its work, and its answer never comes. */
const LOSE_ONE_ANSWER: ProxyFaults = { toClient: { cut: { afterBytes: 0, how: 'reset' } }, strikes: 1 };
const LOSE_ALL_ANSWERS: ProxyFaults = { toClient: { cut: { afterBytes: 0, how: 'reset' } } };

describe('S3 through a network that fails', () => {
  let embedded: Embedded;
  let store: ObjectStore;
  before(async () => {
    embedded = await startEmbedded();
    ({ store } = embedded);
  });
  afterEach(() => embedded.proxy.set({}));
  after(() => embedded[Symbol.asyncDispose]());

  const body = randomBytes(70_000);
  const beginUpload = async (key: string) => {
    const upload = await store.createMultipartUpload(key);
    const part = await store.uploadPart(upload, { partNumber: 1, body, crc32: crc32(body) });
    return { upload, whole: { parts: [part], crc32: part.crc32 } };
  };

  it('a put-if-absent whose answer is lost says that it created', async () => {
    const requests = () => embedded.server.counters.of('PutObject').requests;
    const before = requests();
    embedded.proxy.set(LOSE_ONE_ANSWER);
    assert.equal(await store.putIfAbsent('lost/once', body), 'created');
    // The retry was answered 412: without looking at what is stored this would be somebody else's object.
    assert.equal(requests() - before, 2);
  });

  it('a put-if-absent whose answer is lost says that it exists when somebody else was first', async () => {
    await store.put('lost/taken', Buffer.from('theirs'));
    embedded.proxy.set(LOSE_ONE_ANSWER);
    assert.equal(await store.putIfAbsent('lost/taken', body), 'exists');
  });

  it('a put-if-absent that never hears an answer is unavailable, and repeated later it says that it created', async () => {
    const impatient = embedded.open({ maxAttempts: 2 });
    embedded.proxy.set(LOSE_ALL_ANSWERS);
    await assert.rejects(impatient.putIfAbsent('lost/never', body), VaultUnavailable);
    embedded.proxy.set({});
    assert.equal(await impatient.putIfAbsent('lost/never', body), 'created');
  });

  it('a lost answer to Complete is not an error if the object is ours', async () => {
    const { upload, whole } = await beginUpload('complete/lost');
    embedded.proxy.set(LOSE_ONE_ANSWER);
    await store.completeMultipartUpload(upload, whole);
    assert.deepEqual(await store.get('complete/lost'), body);
  });

  it('a Complete told NoSuchUpload is not an error if the object is ours', async () => {
    const { upload, whole } = await beginUpload('complete/gone');
    await store.completeMultipartUpload(upload, whole);
    // What a retry hears from S3 after a while: the upload is forgotten, the object is there.
    await store.completeMultipartUpload({ ...upload, uploadId: 'forgotten' }, whole);
  });

  it('a Complete told NoSuchUpload fails if the object there has the same size and another CRC32', async () => {
    const { upload, whole } = await beginUpload('complete/other');
    await store.abortMultipartUpload(upload);
    await store.put('complete/other', randomBytes(body.length));
    await assert.rejects(store.completeMultipartUpload(upload, whole), (error: Error) => {
      assert(error instanceof UploadLost);
      assert.match(error.message, /complete\/other.*70000 bytes and CRC32 [0-9a-f]{8}.*written again/);
      return true;
    });
  });

  it('a Complete that never hears an answer is unavailable, not successful', async () => {
    const { upload, whole } = await beginUpload('complete/never');
    const impatient = embedded.open({ maxAttempts: 2 });
    embedded.proxy.set(LOSE_ALL_ANSWERS);
    await assert.rejects(impatient.completeMultipartUpload(upload, whole), VaultUnavailable);
  });

  it('a part whose connection breaks half way is sent again', async () => {
    const upload = await store.createMultipartUpload('part/cut');
    embedded.proxy.set({ toServer: { cut: { afterBytes: 30_000, how: 'reset' } }, strikes: 1 });
    const part = await store.uploadPart(upload, { partNumber: 1, body, crc32: crc32(body) });
    await store.completeMultipartUpload(upload, { parts: [part], crc32: part.crc32 });
    assert.deepEqual(await store.get('part/cut'), body);
  });

  it('a part damaged on its way is refused by the server, not stored', async () => {
    const upload = await store.createMultipartUpload('part/damaged');
    embedded.proxy.set({ toServer: { corruptAtByte: 30_000 } });
    await assert.rejects(store.uploadPart(upload, { partNumber: 1, body, crc32: crc32(body) }), VaultCorruption);
    await store.abortMultipartUpload(upload);
  });

  for (const how of ['fin', 'reset'] as const) {
    it(`a body cut short by ${how} is fetched again`, async () => {
      await store.put('get/cut', body);
      embedded.proxy.set({ toClient: { cut: { afterBytes: 20_000, how } }, strikes: 1 });
      assert.deepEqual(await store.get('get/cut'), body);
    });
  }

  it('a body that stalls ends by the idle timeout and is fetched again', async () => {
    await store.put('get/stalled', body);
    embedded.proxy.set({ toClient: { stallAfterBytes: 20_000 }, strikes: 1 });
    assert.deepEqual(await store.get('get/stalled'), body);
  });

  it('a body that is always cut short is unavailable after a bounded number of attempts', async () => {
    await store.put('get/always', body);
    const requests = () => embedded.server.counters.of('GetObject').requests;
    const before = requests();
    embedded.proxy.set({ toClient: { cut: { afterBytes: 20_000, how: 'reset' } } });
    await assert.rejects(store.get('get/always'), VaultUnavailable);
    assert(requests() - before <= 4);
  });

  it('a body damaged on its way is fetched again', async () => {
    await store.put('get/damaged', body);
    const requests = () => embedded.server.counters.of('GetObject').requests;
    const before = requests();
    embedded.proxy.set({ toClient: { corruptAtByte: 30_000 }, strikes: 1 });
    assert.deepEqual(await store.get('get/damaged'), body);
    assert.equal(requests() - before, 2);
  });

  it('a body that is damaged where it is stored is corruption, which no range read can see', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'blockferry-rot-'));
    await using server = await startS3Server({ directory: folder, buckets: [BUCKET] });
    const { accessKeyId, secretAccessKey } = server.credentials;
    const rotten = embedded.open({
      endpoint: server.endpoint,
      credentials: { accessKeyId, secretAccessKey: new Secret(secretAccessKey) },
    });
    await rotten.put('rot', body);
    const [file = ''] = await readdir(join(folder, 'data'));
    await writeFile(join(folder, 'data', file), randomBytes(body.length));
    await assert.rejects(rotten.get('rot'), VaultCorruption);
    await rotten.get('rot', { range: { start: 0, end: 10 } });
    await rm(folder, { recursive: true });
  });

  it('a server that accepts and never answers is unavailable when the idle timeout has passed', async () => {
    const impatient = embedded.open({ maxAttempts: 1, timeouts: { idleMs: 300 } });
    embedded.proxy.set({ toClient: { stallAfterBytes: 0 } });
    await assert.rejects(impatient.put('put/stalled', body), VaultUnavailable);
  });

  it('an answer later than the deadline for answers is unavailable', async () => {
    const impatient = embedded.open({ maxAttempts: 1, timeouts: { idleMs: 5000, answerMs: 200 } });
    embedded.proxy.set({ toClient: { latencyMs: 1000 } });
    await assert.rejects(impatient.head('put/late'), VaultUnavailable);
  });

  it("a signal that fires during a request ends it with the signal's reason", async () => {
    const deadline = new AbortController();
    const reason = new Error('the deadline is near');
    embedded.proxy.set({ toClient: { stallAfterBytes: 0 } });
    const putting = store.put('put/aborted', body, { signal: deadline.signal });
    setImmediate(() => deadline.abort(reason));
    await assert.rejects(putting, reason);
  });
});
