/** A store whose answers are wrong as XML and as HTTP: what is behind the endpoint need not be S3. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Failure } from '#lib/failure.ts';
import { Secret } from '#lib/secret.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { s3Store } from '#lib/store/s3.ts';
import { MIB } from '#lib/units.ts';

const PASSWD = '<!DOCTYPE a [<!ENTITY f SYSTEM "file:///etc/passwd"><!ENTITY b "lol">]>';
const listOf = (key: string) =>
  `<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>${key}</Key><Size>1</Size></Contents></ListBucketResult>`;

/** Gives every request the same answer. */
async function storeThat(answer: (response: ServerResponse) => void): Promise<ObjectStore & AsyncDisposable> {
  const server = createServer((request, response) => {
    request.resume();
    answer(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(address !== null && typeof address !== 'string');
  const endpoint = `http://127.0.0.1:${address.port}`;
  const credentials = { accessKeyId: 'a', secretAccessKey: new Secret('b') };
  const store = s3Store({ bucket: 'vault', endpoint, credentials, maxAttempts: 1, timeouts: { idleMs: 2_000 } });
  const stop = async () => {
    store[Symbol.dispose]();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return Object.assign(store, { [Symbol.asyncDispose]: stop });
}

async function keysOf(store: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('disks/')) keys.push(key);
  return keys;
}

const sends = (body: string | Buffer, headers: Readonly<Record<string, string>> = {}) => {
  return (response: ServerResponse) => void response.writeHead(200, headers).end(body);
};

for (const [what, body] of [
  ['nests a hundred thousand deep', `<ListBucketResult>${'<a>'.repeat(100_000)}`],
  ['is no XML', 'this is not the store you are looking for'],
  ['ends in the middle', '<ListBucketResult><Contents><Key>a'],
  ['is the page of a portal', '<html><body><form action="login"></form></body></html>'],
] as const) {
  test(`a listing that ${what} is a named failure, not a listing of nothing`, async () => {
    await using store = await storeThat(sends(body));
    await assert.rejects(keysOf(store), Failure);
  });
}

test('entities that an answer declares are not expanded, and no file is read for them', async () => {
  for (const entity of ['&f;', '&b;']) {
    await using store = await storeThat(sends(`<?xml version="1.0"?>${PASSWD}${listOf(`disks/${entity}`)}`));
    const keys = await keysOf(store).catch((error: unknown) => {
      assert.ok(error instanceof Failure, String(error));
      return [];
    });
    assert.ok(!keys.join().includes('root:') && !keys.join().includes('lol'), keys.join());
  }
});

test('an answer that says it is compressed is not unpacked', async () => {
  const bomb = gzipSync(Buffer.alloc(256 * MIB));
  await using store = await storeThat(sends(bomb, { 'content-encoding': 'gzip', 'content-length': `${bomb.length}` }));
  const before = process.memoryUsage().arrayBuffers;
  assert.ok((await store.get('vault.json')).equals(bomb));
  assert.ok(process.memoryUsage().arrayBuffers - before < 64 * MIB);
});

test('a store that redirects elsewhere is not followed', async () => {
  let asked = 0;
  const elsewhere = createServer((_request, response) => {
    asked++;
    response.end();
  });
  elsewhere.listen(0, '127.0.0.1');
  await once(elsewhere, 'listening');
  const address = elsewhere.address();
  assert.ok(address !== null && typeof address !== 'string');
  const location = `http://127.0.0.1:${address.port}/vault/vault.json`;
  await using store = await storeThat((response) => void response.writeHead(307, { location }).end());
  await assert.rejects(store.get('vault.json'), Failure);
  elsewhere.close();
  assert.equal(asked, 0);
});
