import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UploadTooLarge } from '#lib/store/failures.ts';
import { MAX_PARTS, MultipartWriter } from '#lib/store/multipart-writer.ts';
import type { ObjectStore, UploadedPart } from '#lib/store/object-store.ts';
import { MIB } from '#lib/units.ts';
import { memoryStore } from '../fakes/memory-store.ts';

const PART_BYTES = 5 * MIB;

// Slow because 50 GiB pass the checksum.
describe('the multipart writer at its limit', () => {
  it('refuses the byte that would need part 10,001', async () => {
    const { store } = memoryStore();
    // Parts are taken without being kept: 10,000 of 5 MiB would not fit into memory.
    const swallowing: ObjectStore = Object.create(store, {
      createMultipartUpload: { value: async (key: string) => ({ key, uploadId: 'u' }) },
      uploadPart: {
        value: async (_upload: unknown, part: UploadedPart) => ({ ...part, etag: 'x', bytes: PART_BYTES }),
      },
      abortMultipartUpload: { value: async () => undefined },
    });
    const writer = new MultipartWriter({ store: swallowing, key: 'pack', partBytes: PART_BYTES });
    // Filling a part is the cost; one chunk of a whole part keeps it to a copy and a checksum.
    const chunk = Buffer.alloc(PART_BYTES);
    for (let part = 0; part < MAX_PARTS; part++) await writer.write(chunk);
    await assert.rejects(
      writer.write(Buffer.alloc(1)).then(() => writer.finish()),
      UploadTooLarge,
    );
  });
});
