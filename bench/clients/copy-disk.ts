/**
 * The reader's pipeline from NBD with TLS to a multipart upload over HTTPS, in a process of its own: as packs, which is
 * what the deployed function does around receipts and plan, or as the raw bytes.
 * Usage: copy-disk.ts '{"address":...,"endpoint":...,"bucket":...,"diskBytes":...,"form":"packs","partBytes":...}'
 */

import { randomBytes, randomUUID } from 'node:crypto';
import { copyPart } from '#lib/backup/copy-part.ts';
import { PackWriter } from '#lib/backup/pack-writer.ts';
import { collectRarely } from '#lib/backup/rare-collections.ts';
import { READ_GRAINS, ReadAhead } from '#lib/backup/read-ahead.ts';
import { GrainBitmap } from '#lib/format/grain-bitmap.ts';
import { connectNbd } from '#lib/nbd/connect.ts';
import type { NbdConnection } from '#lib/nbd/connection.ts';
import { Secret } from '#lib/secret.ts';
import { MultipartWriter } from '#lib/store/multipart-writer.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { s3Store } from '#lib/store/s3.ts';
import { grainsCovering, indexAfter, parseDiskId, parsePackId, parseRunId } from '#lib/units.ts';
import type { NbdAddress } from '../stage/nbd-source.ts';
import { report } from './spent.ts';

interface CopyDiskInput {
  readonly address: NbdAddress;
  readonly endpoint: string;
  readonly bucket: string;
  readonly diskBytes: number;
  readonly form: 'packs' | 'raw';
  readonly partBytes: number;
}

const input: CopyDiskInput = JSON.parse(process.argv[2] ?? '');
const { diskBytes, partBytes } = input;
const grains = grainsCovering(diskBytes);

collectRarely();
void report(async () => {
  using store = s3Store({ bucket: input.bucket, endpoint: input.endpoint });
  const { port, certificatePem, subject } = input.address;
  const security = { kind: 'tls', certificatePem, subject } as const;
  await using source = await connectNbd({ address: '127.0.0.1', port, exportName: new Secret(''), security });
  await (input.form === 'packs' ? copyAsPack(store, source) : copyRaw(store, source));
  return { bytes: diskBytes, storedBytes: store.tally?.counts.sentBytes ?? 0 };
});

async function copyAsPack(store: ObjectStore, source: NbdConnection): Promise<void> {
  const planned = new GrainBitmap(grains);
  planned.addRun({ first: 0, end: indexAfter(grains) });
  const names = {
    disk: parseDiskId(randomUUID()),
    run: parseRunId(randomBytes(8).toString('hex')),
    pack: parsePackId(randomBytes(16).toString('hex')),
  };
  const writer = new PackWriter({ store, ...names, partBytes });
  await copyPart({ source, diskBytes, planned, first: 0, base: undefined, writer, outOfTime: () => false });
  await writer.finish();
}

async function copyRaw(store: ObjectStore, source: NbdConnection): Promise<void> {
  const writer = new MultipartWriter({ store, key: 'raw', partBytes });
  const ahead = new ReadAhead(source, { diskBytes });
  let next = 0;
  for (;;) {
    while (next < grains && ahead.tryIssue({ first: next, end: Math.min(grains, next + READ_GRAINS) })) {
      next += READ_GRAINS;
    }
    const read = await ahead.take();
    if (read === undefined) break;
    await writer.write(read.bytes);
  }
  await writer.finish();
}
