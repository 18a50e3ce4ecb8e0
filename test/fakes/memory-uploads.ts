/** The unfinished multipart uploads of a bucket in memory. */

import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { UploadLost, VaultCorruption, VaultRequestRefused } from '#lib/store/failures.ts';
import type { MultipartUpload, PutOptions, UploadedPart } from '#lib/store/object-store.ts';

const MIN_PART_BYTES = 5 * 1024 * 1024;
const MAX_PARTS = 10_000;

interface Upload {
  readonly key: string;
  readonly options: PutOptions;
  readonly initiated: Date;
  readonly parts: Map<number, UploadedPart & { readonly body: Buffer }>;
}

export class MemoryUploads {
  readonly #uploads = new Map<string, Upload>();
  #begun = 0;

  begin(key: string, { options, initiated }: { options: PutOptions; initiated: Date }): MultipartUpload {
    const uploadId = `upload-${++this.#begun}`;
    this.#uploads.set(uploadId, { key, options, initiated, parts: new Map() });
    return { key, uploadId };
  }

  has(upload: MultipartUpload): boolean {
    return this.#uploads.has(upload.uploadId);
  }

  addPart(upload: MultipartUpload, part: { partNumber: number; body: Buffer; crc32: number }): UploadedPart {
    const { partNumber, body } = part;
    if (partNumber < 1 || partNumber > MAX_PARTS) throw new VaultRequestRefused(`there is no part ${partNumber}`);
    if (crc32(body) !== part.crc32) throw new VaultCorruption(`part ${partNumber} of ${upload.key} has another CRC32`);
    const etag = createHash('md5').update(body).digest('hex');
    const stored = { partNumber, body, etag, bytes: body.length, crc32: part.crc32 };
    this.#of(upload).parts.set(partNumber, stored);
    return { partNumber, etag, bytes: body.length, crc32: part.crc32 };
  }

  /** The object that Complete makes; throws what S3 answers when the list does not fit what was sent. */
  assemble(
    upload: MultipartUpload,
    whole: { parts: readonly UploadedPart[]; crc32: number },
  ): { body: Buffer; options: PutOptions } {
    const { parts, options } = this.#of(upload);
    let previous = 0;
    const bodies = whole.parts.map(({ partNumber, etag }, index) => {
      const part = parts.get(partNumber);
      const refuse = (why: string) => new UploadLost(`complete of ${upload.key}, part ${partNumber}: ${why}`);
      if (part === undefined || part.etag !== etag) throw refuse('InvalidPart');
      if (partNumber <= previous) throw refuse('InvalidPartOrder');
      if (part.bytes < MIN_PART_BYTES && index < whole.parts.length - 1) throw refuse('EntityTooSmall');
      previous = partNumber;
      return part.body;
    });
    const body = Buffer.concat(bodies);
    if (crc32(body) !== whole.crc32) throw new VaultCorruption(`complete of ${upload.key}: BadDigest`);
    return { body, options };
  }

  drop(upload: MultipartUpload): void {
    this.#uploads.delete(upload.uploadId);
  }

  dropAll(key: string): void {
    for (const [id, upload] of this.#uploads) if (upload.key === key) this.#uploads.delete(id);
  }

  under(prefix: string): (MultipartUpload & { readonly initiated: Date })[] {
    const found = [...this.#uploads].filter(([, { key }]) => key.startsWith(prefix));
    return found.map(([uploadId, { key, initiated }]) => ({ key, uploadId, initiated }));
  }

  #of(upload: MultipartUpload): Upload {
    const found = this.#uploads.get(upload.uploadId);
    if (found === undefined) throw new UploadLost(`${upload.uploadId} of ${upload.key}: NoSuchUpload`);
    return found;
  }
}
