/** PUT /import_raw_vdi: a stream into a disk, whole, in addressed pieces, or as VHD. */

import { ApiError } from '#sim/api/api-error.ts';
import { failTask, succeedTask } from '#sim/api/task-calls.ts';
import { addDisk } from '#sim/api/vdi-calls.ts';
import type { Ref } from '#sim/database/database.ts';
import { guestWrite } from '#sim/disks/guest.ts';
import { readVhd, SECTOR_BYTES, VHD_BLOCK_BYTES } from '#sim/disks/vhd.ts';
import { type HttpRequest, htmlError, type Outcome } from '#sim/wire/http-connection.ts';
import { VOID } from '#sim/wire/values.ts';
import { valueFragment } from '#sim/wire/xml-rpc-writer.ts';
import type { World } from '#sim/world.ts';
import { parameter } from './resource-access.ts';
import { accept, findVdi, redirectElsewhere, runTransfer, type TransferContext, whileAttached } from './transfer.ts';

/** Written at once, at most. */
const PIECE_BYTES = 2 * 1_048_576;

/** u64 little-endian offset | u32 little-endian length; twelve zero bytes end the stream. */
const CHUNK_HEADER_BYTES = 12;

export function importRawVdi(world: World, request: HttpRequest, host: Ref): Promise<Outcome> {
  return runTransfer({ world, request, host }, { name: 'VDI.import_raw', role: 'vm-admin' }, importDisk);
}

async function importDisk(context: TransferContext): Promise<Outcome> {
  const { world, request, task } = context;
  if (request.headers.has('transfer-encoding')) {
    failTask(world, task, new ApiError('INTERNAL_ERROR', ['transfer-encoding is not supported']));
    return htmlError(request.socket, '404 Not Found', 'transfer-encoding');
  }
  const { vdi, created } = target(context);
  const elsewhere = await redirectElsewhere(context, world.db.VDI.get(vdi).SR);
  if (elsewhere) return elsewhere;
  if (world.db.VDI.get(vdi).read_only) throw new ApiError('VDI_READONLY', [vdi]);
  await whileAttached(context, { vdi, mode: 'RW' }, async () => {
    // The client hears 200 before a byte of the body is read; only the task tells how it ended.
    await accept(context, 'application/octet-stream');
    await receive(context, vdi);
  });
  succeedTask(world, task, created ? valueFragment(vdi) : VOID);
  return 'close';
}

function target({ world, request }: TransferContext): { vdi: Ref; created: boolean } {
  const vdi = parameter(request, 'vdi');
  if (vdi !== undefined) return { vdi: findVdi(world, vdi), created: false };
  const srUuid = parameter(request, 'sr_uuid');
  const sr = srUuid === undefined ? parameter(request, 'sr_id') : world.db.SR.byUuid(srUuid);
  if (sr === undefined) throw new ApiError('INTERNAL_ERROR', ['neither vdi nor sr_id nor sr_uuid was given']);
  world.db.SR.get(sr);
  const disk = { sr, name: 'Imported VDI', type: 'user', sizeBytes: bodyBytes(request) };
  return { vdi: addDisk(world, disk), created: true };
}

function bodyBytes({ headers }: HttpRequest): number {
  const lengthBytes = Number(headers.get('content-length') ?? Number.NaN);
  if (!Number.isSafeInteger(lengthBytes)) throw new ApiError('INTERNAL_ERROR', ['content-length is missing']);
  return lengthBytes;
}

function receive(context: TransferContext, vdi: Ref): Promise<void> {
  const { request } = context;
  const format = parameter(request, 'format') ?? 'raw';
  if (format === 'vhd') return receiveVhd(context, vdi);
  if (format !== 'raw') throw new ApiError('INTERNAL_ERROR', [`format ${format} is not simulated`]);
  return parameter(request, 'chunked') === undefined ? receiveWhole(context, vdi) : receiveChunks(context, vdi);
}

async function receiveWhole(context: TransferContext, vdi: Ref): Promise<void> {
  const sizeBytes = Math.min(bodyBytes(context.request), context.world.db.VDI.get(vdi).virtual_size);
  await writeFrom(context, { vdi, offsetBytes: 0, lengthBytes: sizeBytes });
}

async function receiveChunks(context: TransferContext, vdi: Ref): Promise<void> {
  for (;;) {
    const header = await context.request.body.exactly(CHUNK_HEADER_BYTES);
    const offset = header.readBigUInt64LE(0);
    const lengthBytes = header.readUInt32LE(8);
    if (offset === 0n && lengthBytes === 0) return;
    const end = offset + BigInt(lengthBytes);
    if (end > BigInt(context.world.db.VDI.get(vdi).virtual_size)) {
      throw new ApiError('VDI_IO_ERROR', ['a chunk lies behind the end of the disk']);
    }
    await writeFrom(context, { vdi, offsetBytes: Number(offset), lengthBytes });
  }
}

interface Target {
  readonly vdi: Ref;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
}

async function writeFrom(
  { world, request }: TransferContext,
  { vdi, offsetBytes, lengthBytes }: Target,
): Promise<void> {
  let received = 0;
  while (received < lengthBytes) {
    const bytes = await request.body.exactly(Math.min(PIECE_BYTES, lengthBytes - received));
    if (offsetBytes + received >= (world.faults.transferCutAfterBytes ?? Number.POSITIVE_INFINITY)) {
      request.socket.destroy();
      throw new ApiError('VDI_IO_ERROR', ['The stream was interrupted']);
    }
    guestWrite(world, vdi, { offsetBytes: offsetBytes + received, bytes });
    received += bytes.length;
  }
}

async function receiveVhd({ world, request }: TransferContext, vdi: Ref): Promise<void> {
  const sizeBytes = world.db.VDI.get(vdi).virtual_size;
  for await (const { block, bitmap, data } of readVhd((bytes) => request.body.exactly(bytes))) {
    for (const { from, to } of presentRuns(bitmap)) {
      const offsetBytes = block * VHD_BLOCK_BYTES + from * SECTOR_BYTES;
      const end = Math.min(to * SECTOR_BYTES, sizeBytes - block * VHD_BLOCK_BYTES);
      guestWrite(world, vdi, { offsetBytes, bytes: data.subarray(from * SECTOR_BYTES, end) });
    }
  }
}

/** Runs of sectors whose bit is set, most significant bit first. */
function* presentRuns(bitmap: Buffer): Generator<{ from: number; to: number }> {
  const isSet = (sector: number) => ((bitmap[sector >> 3] ?? 0) & (0x80 >> (sector & 7))) !== 0;
  for (let sector = 0; sector < bitmap.length * 8; ) {
    const from = sector;
    while (sector < bitmap.length * 8 && isSet(sector)) sector += 1;
    if (sector > from) yield { from, to: sector };
    else sector += 1;
  }
}
