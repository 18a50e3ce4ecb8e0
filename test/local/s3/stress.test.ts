import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { seededRandom } from '../../fakes/random.ts';
import { BUCKET, type Plain, startPlain } from './plain-client.ts';

const PART_BYTES = 5 * 1024 * 1024;
const WORKERS = 12;
const ROUNDS = 2;

describe('many clients at once on the embedded server', () => {
  let plain: Plain;
  let s3: S3Client;
  before(async () => {
    plain = await startPlain();
    s3 = plain.s3;
  });
  after(() => plain[Symbol.asyncDispose]());

  it('what is read is always something that somebody wrote whole, and nothing is left behind', async () => {
    const first = randomBytes(PART_BYTES);
    const written = new Set<string>();
    const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

    const upload = async (Key: string, random: () => number) => {
      const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket: BUCKET, Key }));
      const about = { Bucket: BUCKET, Key, UploadId };
      const last = randomBytes(1 + Math.floor(random() * 200_000));
      const one = s3.send(new UploadPartCommand({ ...about, PartNumber: 1, Body: first }));
      // Sent twice, the first time with other bytes; now and then cut off in the middle.
      const stop = new AbortController();
      const cut = s3.send(new UploadPartCommand({ ...about, PartNumber: 2, Body: randomBytes(300_000) }), {
        abortSignal: stop.signal,
      });
      if (random() < 0.5) setImmediate(() => stop.abort());
      await Promise.allSettled([one, cut]);
      const two = await s3.send(new UploadPartCommand({ ...about, PartNumber: 2, Body: last }));
      if (random() < 0.2) return s3.send(new AbortMultipartUploadCommand(about));
      written.add(digest(Buffer.concat([first, last])));
      const Parts = [
        { PartNumber: 1, ETag: (await one).ETag },
        { PartNumber: 2, ETag: two.ETag },
      ];
      return s3.send(new CompleteMultipartUploadCommand({ ...about, MultipartUpload: { Parts } }));
    };
    const work = async (worker: number) => {
      const random = seededRandom(worker);
      for (let round = 0; round < ROUNDS; round++) {
        const Key = `shared/${Math.floor(random() * 4)}`;
        if (random() < 0.3) {
          const body = randomBytes(50_000);
          written.add(digest(body));
          await s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: body }));
        } else await upload(Key, random);
        const answer = await s3.send(new GetObjectCommand({ Bucket: BUCKET, Key })).catch((error: Error) => {
          assert.equal(error.name, 'NoSuchKey', 'only an aborted upload leaves nothing');
        });
        if (answer) assert(written.has(digest(Buffer.from(await answer.Body!.transformToByteArray()))));
      }
    };
    await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker)));
    const left = await s3.send(new ListMultipartUploadsCommand({ Bucket: BUCKET }));
    assert.equal(left.Uploads, undefined);
  });
});
