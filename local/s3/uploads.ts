/** The unfinished multipart uploads of one bucket, kept in memory and in files. */

import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataFiles } from './data-files.ts';
import { RecordFiles } from './record-files.ts';
import { isPart, isUpload, type PartRecord, type Segment, type UploadRecord } from './records.ts';
import { S3Error } from './s3-error.ts';

const UPLOAD_RECORD = 'upload';

export interface Upload {
  readonly record: UploadRecord;
  readonly parts: Map<number, PartRecord>;
  readonly files: RecordFiles;
}

export class Uploads {
  readonly #folder: string;
  readonly #durable: boolean;
  readonly #data: DataFiles;
  readonly #uploads = new Map<string, Upload>();

  constructor(folder: string, { data, durable }: { data: DataFiles; durable: boolean }) {
    this.#folder = folder;
    this.#data = data;
    this.#durable = durable;
    mkdirSync(folder, { recursive: true });
  }

  /** Reads the uploads back, but for those whose object is there: a crash came between its record and the cleaning. */
  async load(completed: ReadonlySet<string>): Promise<void> {
    for (const uploadId of await readdir(this.#folder)) {
      const files = this.#filesOf(uploadId);
      const records = (await Array.fromAsync(files.readAll())).map(({ record }) => record);
      const record = records.find(isUpload);
      // Removed from the first record on: without it the rest is what a crash left of an abort.
      if (record === undefined || completed.has(uploadId)) await rm(files.folder, { recursive: true, force: true });
      else {
        const parts = records.filter(isPart).map((part) => [part.partNumber, part] as const);
        this.#uploads.set(uploadId, { record, files, parts: new Map(parts) });
      }
    }
  }

  *segments(): Generator<Segment> {
    for (const upload of this.#uploads.values()) for (const part of upload.parts.values()) yield part.segment;
  }

  async begin(about: Omit<UploadRecord, 'kind' | 'uploadId'>): Promise<UploadRecord> {
    const record: UploadRecord = { kind: 'upload', uploadId: randomBytes(24).toString('base64url'), ...about };
    const files = this.#filesOf(record.uploadId);
    await files.write(record, {
      name: () => UPLOAD_RECORD,
      apply: () => void this.#uploads.set(record.uploadId, { record, files, parts: new Map() }),
    });
    return record;
  }

  find(key: string, uploadId: string): Upload {
    const upload = this.#uploads.get(uploadId);
    if (upload === undefined || upload.record.key !== key) {
      throw new S3Error('NoSuchUpload', undefined, { UploadId: uploadId });
    }
    return upload;
  }

  all(): readonly UploadRecord[] {
    return [...this.#uploads.values()].map((upload) => upload.record);
  }

  /** Takes a part up; the one sent before with its number is replaced. */
  async addPart(upload: Upload, part: PartRecord): Promise<void> {
    let replaced: PartRecord | undefined;
    await upload.files.write(part, {
      name: () => {
        // The upload may have been completed or aborted while the part was on its way.
        this.find(upload.record.key, upload.record.uploadId);
        return `part-${part.partNumber}`;
      },
      apply: () => {
        replaced = upload.parts.get(part.partNumber);
        upload.parts.set(part.partNumber, part);
      },
    });
    if (replaced !== undefined) this.#data.remove([replaced.segment]);
  }

  /** From this turn on there is no such upload; its files are still there. */
  forget(upload: Upload): void {
    this.#uploads.delete(upload.record.uploadId);
  }

  /** Removes the files of a forgotten upload, but for those that became an object's. */
  async clean(upload: Upload, kept: ReadonlySet<string>): Promise<void> {
    const segments = [...upload.parts.values()].map((part) => part.segment);
    this.#data.remove(segments.filter(({ file }) => !kept.has(file)));
    await upload.files.remove(UPLOAD_RECORD);
    await rm(upload.files.folder, { recursive: true, force: true });
  }

  #filesOf(uploadId: string): RecordFiles {
    return new RecordFiles(join(this.#folder, uploadId), { durable: this.#durable });
  }
}
