/**
 * Uploads noise from memory as the reader uploads packs: CRC32 taken while it is copied into parts, parts sent unsigned.
 * Usage: upload.ts '{"endpoint":...,"bucket":...,"bytes":...,"partBytes":...,"inFlight":4}'
 */

import { randomBytes } from 'node:crypto';
import { MultipartWriter } from '#lib/store/multipart-writer.ts';
import { s3Store } from '#lib/store/s3.ts';
import { MIB } from '#lib/units.ts';
import { report } from './spent.ts';

export interface UploadInput {
  readonly endpoint: string;
  readonly bucket: string;
  readonly bytes: number;
  readonly partBytes: number;
  readonly inFlight: number;
}

/** The size of the reader's frames of noise. */
const CHUNK_BYTES = MIB / 4;
const input: UploadInput = JSON.parse(process.argv[2] ?? '');
const noise = randomBytes(input.partBytes);

void report(async () => {
  using store = s3Store({ bucket: input.bucket, endpoint: input.endpoint });
  const { partBytes, inFlight } = input;
  const writer = new MultipartWriter({ store, key: 'upload', partBytes, inFlight });
  for (let sent = 0; sent < input.bytes; sent += CHUNK_BYTES) {
    const at = sent % noise.length;
    await writer.write(noise.subarray(at, at + CHUNK_BYTES));
  }
  await writer.finish();
  return { bytes: input.bytes };
});
