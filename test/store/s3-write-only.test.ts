/** A store for whose credentials S3 allows writing, listing and nothing that reads: what a reader of disks has for packs. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { Secret } from '#lib/secret.ts';
import { UploadLost, VaultAccessDenied } from '#lib/store/failures.ts';
import { s3Store } from '#lib/store/s3.ts';
import { BUCKET, type Embedded, startEmbedded } from './embedded.ts';

const DENIED = '<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>';

/** Passes requests on as they are, but refuses to read; `loseCompletes` answers are dropped on their way back. */
class WriteOnly {
  loseCompletes = 0;
  readonly methods: string[] = [];
  readonly server: Server;

  constructor(endpoint: string) {
    this.server = createServer((asked, reply) => {
      const path = asked.url ?? '';
      this.methods.push(asked.method ?? '');
      const isObject = path.split('?')[0] !== `/${BUCKET}` && path.split('?')[0] !== `/${BUCKET}/`;
      if (isObject && ['GET', 'HEAD'].includes(asked.method ?? '')) {
        reply.writeHead(403, { 'content-type': 'application/xml' }).end(asked.method === 'GET' ? DENIED : undefined);
        return;
      }
      const lost = asked.method === 'POST' && path.includes('uploadId') && this.loseCompletes-- > 0;
      const { headers, method } = asked;
      const onward = request(new URL(path, endpoint), { method, headers }, (answer) => {
        if (lost) answer.resume().once('end', () => reply.destroy());
        else answer.pipe(reply.writeHead(answer.statusCode ?? 500, answer.headers));
      });
      asked.pipe(onward);
    });
  }
}

describe('S3 for a writer that may not read', () => {
  let embedded: Embedded;
  let gate: WriteOnly;
  let store: ReturnType<typeof s3Store>;
  before(async () => {
    embedded = await startEmbedded();
    gate = new WriteOnly(embedded.server.endpoint);
    gate.server.listen(0, '127.0.0.1');
    await new Promise((resolve) => gate.server.once('listening', resolve));
    const { accessKeyId, secretAccessKey } = embedded.server.credentials;
    const { port } = gate.server.address() as AddressInfo;
    store = s3Store({
      bucket: BUCKET,
      endpoint: `http://127.0.0.1:${port}`,
      credentials: { accessKeyId, secretAccessKey: new Secret(secretAccessKey) },
    });
  });
  after(async () => {
    store[Symbol.dispose]();
    gate.server.closeAllConnections();
    gate.server.close();
    await embedded[Symbol.asyncDispose]();
  });

  const body = randomBytes(70_000);
  const beginUpload = async (key: string) => {
    const upload = await store.createMultipartUpload(key);
    const part = await store.uploadPart(upload, { partNumber: 1, body, crc32: crc32(body) });
    return { upload, whole: { parts: [part], crc32: part.crc32 } };
  };

  it('an upload is completed by its answer alone: nothing is asked afterwards', async () => {
    const { upload, whole } = await beginUpload('packs/answered');
    gate.methods.length = 0;
    await store.completeMultipartUpload(upload, whole);
    assert.deepEqual(gate.methods, ['POST']);
    assert.deepEqual(await embedded.store.get('packs/answered'), body);
  });

  it('a Complete told NoSuchUpload is not an error if an object of our size is listed', async () => {
    const { upload, whole } = await beginUpload('packs/lost');
    await store.completeMultipartUpload(upload, whole);
    await store.completeMultipartUpload({ ...upload, uploadId: 'forgotten' }, whole);
  });

  it('a Complete whose answer is lost ends well', async () => {
    const { upload, whole } = await beginUpload('packs/unheard');
    gate.loseCompletes = 1;
    await store.completeMultipartUpload(upload, whole);
    assert.deepEqual(await embedded.store.get('packs/unheard'), body);
  });

  it('a Complete of an upload that is gone, with no object there, has to be written again', async () => {
    const { upload, whole } = await beginUpload('packs/gone');
    await store.abortMultipartUpload(upload);
    await assert.rejects(store.completeMultipartUpload(upload, whole), UploadLost);
  });

  it('what was written cannot be read back', async () => {
    await store.put('packs/small', body);
    await assert.rejects(store.get('packs/small'), VaultAccessDenied);
    await assert.rejects(store.head('packs/small'), VaultAccessDenied);
  });
});
