/** Uploads the same as upload.ts with the AWS SDK as it comes: a Buffer for each part, every setting left alone. */

import { randomBytes } from 'node:crypto';
import {
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { report } from './spent.ts';
import type { UploadInput } from './upload.ts';

const input: UploadInput = JSON.parse(process.argv[2] ?? '');
const noise = randomBytes(input.partBytes);
const upload = { Bucket: input.bucket, Key: 'upload' };

void report(async () => {
  using client = withDestroy(new S3Client({ endpoint: input.endpoint, forcePathStyle: true }));
  const { UploadId } = await client.s3.send(new CreateMultipartUploadCommand(upload));
  const numbers = Array.from({ length: Math.ceil(input.bytes / input.partBytes) }, (_, i) => i + 1);
  const next = numbers.values();
  const parts: CompletedPart[] = [];
  const worker = async () => {
    for (const PartNumber of next) {
      // The SDK computes the checksum of each part; a part of its own stands for what was read meanwhile.
      const Body = Buffer.from(noise);
      const { ETag } = await client.s3.send(new UploadPartCommand({ ...upload, UploadId, PartNumber, Body }));
      parts.push({ PartNumber, ETag });
    }
  };
  await Promise.all(Array.from({ length: input.inFlight }, worker));
  await client.s3.send(new CompleteMultipartUploadCommand({ ...upload, UploadId, MultipartUpload: { Parts: parts } }));
  return { bytes: input.bytes };
});

function withDestroy(s3: S3Client) {
  return { s3, [Symbol.dispose]: () => s3.destroy() };
}
