import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { crc32 } from 'node:zlib';
import { Failure } from '#lib/failure.ts';
import { Secret } from '#lib/secret.ts';
import {
  ObjectArchived,
  UploadLost,
  VaultAccessDenied,
  VaultRequestRefused,
  VaultUnavailable,
} from '#lib/store/failures.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { s3Store } from '#lib/store/s3.ts';
import { freePort } from '../servers/free-port.ts';
import { BUCKET, type Embedded, startEmbedded } from './embedded.ts';

type FailureType = abstract new (...args: never[]) => Failure;

/** Checks the class, that the message names object and cure, and that it holds no secret. */
async function fails(work: Promise<unknown>, type: FailureType, message: RegExp): Promise<void> {
  await assert.rejects(work, (error: unknown) => {
    assert(error instanceof Failure, String(error));
    assert(error instanceof type, `${error.name}: ${error.message}`);
    assert.match(error.message, message);
    assert.notEqual(error.cause, undefined);
    return true;
  });
}

describe('what the bucket answers becomes a failure that says what to do', () => {
  let embedded: Embedded;
  before(async () => {
    embedded = await startEmbedded();
  });
  after(() => embedded[Symbol.asyncDispose]());

  const readOf = (store: ObjectStore) => store.get('some/key');

  it('a bucket that does not exist', async () => {
    const store = embedded.open({ bucket: 'nowhere' });
    await fails(readOf(store), VaultAccessDenied, /get of some\/key in bucket nowhere.*NoSuchBucket.*check the name/);
    await fails(store.put('k', Buffer.from('x')), VaultAccessDenied, /put of k in bucket nowhere/);
  });

  it('a bucket that does not exist is not taken for an absent object, though HEAD has no body to say so', async () => {
    const store = embedded.open({ bucket: 'nowhere' });
    await fails(store.head('some/key'), VaultAccessDenied, /bucket nowhere/);
  });

  it('a wrong region', async () => {
    const store = embedded.open({ region: 'eu-west-1' });
    await fails(readOf(store), VaultAccessDenied, /use that region/);
    await fails(readOf(store), VaultAccessDenied, /us-east-1/);
  });

  it('a wrong access key, and a wrong secret, which is not repeated', async () => {
    const { accessKeyId, secretAccessKey } = embedded.server.credentials;
    const wrongKey = { accessKeyId: 'NOBODY', secretAccessKey: new Secret(secretAccessKey) };
    await fails(
      readOf(embedded.open({ credentials: wrongKey })),
      VaultAccessDenied,
      /InvalidAccessKeyId.*Check the access key/,
    );
    const wrongSecret = { accessKeyId, secretAccessKey: new Secret('not-the-secret') };
    const store = embedded.open({ credentials: wrongSecret });
    await fails(readOf(store), VaultAccessDenied, /SignatureDoesNotMatch.*Check the access key/);
    const failure = await readOf(store).catch((error: Failure) => error.message);
    assert.doesNotMatch(String(failure), /not-the-secret/);
  });

  it("a bucket of another account's", async () => {
    const store = embedded.open({ expectedBucketOwner: '111111111111' });
    await fails(readOf(store), VaultAccessDenied, /AccessDenied/);
    await embedded.open({ expectedBucketOwner: '000000000000' }).put('owned', Buffer.from('x'));
  });

  it('an endpoint where nothing listens', async () => {
    const store = embedded.open({ endpoint: `http://127.0.0.1:${await freePort()}`, maxAttempts: 1 });
    await fails(readOf(store), VaultUnavailable, /ECONNREFUSED.*Nothing listens at the endpoint/);
  });

  it('an endpoint whose name is not known', async () => {
    const store = embedded.open({ endpoint: 'http://no-such-host.invalid', maxAttempts: 1 });
    await fails(readOf(store), VaultUnavailable, /Check the endpoint, DNS/);
  });
});

/** An S3 that answers from a list, and says 500 when it is at its end. */
class ScriptedS3 {
  readonly requests: string[] = [];
  readonly #answers: ((request: IncomingMessage, response: ServerResponse) => void)[] = [];
  readonly #server = createServer((request, response) => {
    this.requests.push(`${request.method} ${request.url}`);
    request.resume().on('end', () => {
      const next = this.#answers.shift();
      if (next === undefined) response.writeHead(500).end();
      else next(request, response);
    });
  });

  async start(): Promise<ObjectStore & Disposable> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    assert(typeof address === 'object' && address !== null);
    const credentials = { accessKeyId: 'A', secretAccessKey: new Secret('B') };
    return s3Store({ bucket: BUCKET, endpoint: `http://127.0.0.1:${address.port}`, credentials });
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  error(status: number, code: string): this {
    return this.answer(status, `<Error><Code>${code}</Code><Message>because</Message></Error>`);
  }

  answer(status: number, body: string, headers: Record<string, string> = {}): this {
    this.#answers.push((_request, response) => response.writeHead(status, headers).end(body));
    return this;
  }
}

describe('what only S3 itself answers', () => {
  let s3: ScriptedS3;
  let store: ObjectStore & Disposable;
  const scripted = (title: string, test: () => Promise<void>) =>
    it(title, async () => {
      s3 = new ScriptedS3();
      store = await s3.start();
      try {
        await test();
      } finally {
        store[Symbol.dispose]();
        s3.stop();
      }
    });
  const upload = { key: 'pack', uploadId: 'u' };
  const body = Buffer.from('hello');
  const whole = { parts: [{ partNumber: 1, etag: 'e', bytes: 5, crc32: crc32(body) }], crc32: crc32(body) };
  const crcOfHello = Buffer.from(crc32(body).toString(16).padStart(8, '0'), 'hex').toString('base64');
  const ours = {
    'content-length': '5',
    etag: '"e"',
    'x-amz-checksum-crc32': crcOfHello,
    'x-amz-checksum-type': 'FULL_OBJECT',
  };

  scripted('503 SlowDown is tried again', async () => {
    s3.error(503, 'SlowDown').error(503, 'SlowDown').answer(200, '');
    await store.put('k', body);
    assert.equal(s3.requests.length, 3);
  });

  scripted('a Complete that answers 200 with an error inside succeeds if the object is ours', async () => {
    s3.error(200, 'InternalError').error(404, 'NoSuchUpload').answer(200, '', ours);
    await store.completeMultipartUpload(upload, whole);
    assert.match(s3.requests.at(-1) ?? '', /^HEAD/);
  });

  scripted('a Complete that answers 200 with an error inside fails if there is no object', async () => {
    s3.error(200, 'InternalError').error(404, 'NoSuchUpload').answer(404, '').answer(200, '');
    await fails(store.completeMultipartUpload(upload, whole), UploadLost, /there is no object/);
  });

  scripted('a Complete that answers 200 is not believed if the object is not ours', async () => {
    s3.answer(200, '<CompleteMultipartUploadResult/>').answer(200, '', { ...ours, 'content-length': '4' });
    await assert.rejects(store.completeMultipartUpload(upload, whole), /pack.*4 bytes.*expected were 5 bytes/);
  });

  scripted('409 on Complete means to begin the upload again', async () => {
    s3.error(409, 'ConditionalRequestConflict').answer(404, '').answer(200, '');
    await fails(store.completeMultipartUpload(upload, whole), UploadLost, /written again/);
  });

  scripted('409 on put-if-absent is tried again until it is decided', async () => {
    s3.error(409, 'ConditionalRequestConflict').error(404, 'NoSuchKey').answer(200, '');
    assert.equal(await store.putIfAbsent('k', body), 'created');
  });

  scripted('409 on put-if-absent is decided by what is stored', async () => {
    s3.error(409, 'ConditionalRequestConflict').answer(200, 'other', { 'content-length': '5' });
    assert.equal(await store.putIfAbsent('k', body), 'exists');
  });

  scripted('409 on put-if-absent for ever is unavailable after a bounded number of rounds', async () => {
    for (let round = 0; round < 10; round++) s3.error(409, 'ConditionalRequestConflict').error(404, 'NoSuchKey');
    await fails(store.putIfAbsent('k', body), VaultUnavailable, /Another conditional write/);
    assert.equal(s3.requests.length, 10);
  });

  scripted('a bucket in another region, told by a redirect', async () => {
    s3.answer(301, '<Error><Code>PermanentRedirect</Code></Error>', { 'x-amz-bucket-region': 'eu-central-1' });
    await fails(store.get('k'), VaultAccessDenied, /eu-central-1; use that region/);
  });

  scripted('an object in an archive', async () => {
    s3.error(403, 'InvalidObjectState');
    await fails(store.get('k'), ObjectArchived, /restore it from the archive/);
  });

  scripted('a KMS key that is disabled', async () => {
    s3.error(400, 'KMS.DisabledException');
    await fails(store.put('k', body), VaultAccessDenied, /KMS key is disabled/);
  });

  scripted('a denied request names the policies to look at', async () => {
    s3.error(403, 'AccessDenied');
    await fails(store.get('k'), VaultAccessDenied, /role's policy.*s3:ListBucket/);
  });

  scripted('a clock that is wrong', async () => {
    for (let attempt = 0; attempt < 5; attempt++) s3.error(403, 'RequestTimeTooSkewed');
    await fails(store.get('k'), VaultAccessDenied, /set the clock/);
  });

  scripted('what the store does not know how to do is refused for good', async () => {
    s3.error(400, 'InvalidArgument');
    await fails(store.put('k', body), VaultRequestRefused, /InvalidArgument.*because/);
  });
});
