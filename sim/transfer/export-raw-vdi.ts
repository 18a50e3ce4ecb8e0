/** GET /export_raw_vdi: a disk as one stream, raw or as VHD. */

import { ApiError } from '#sim/api/api-error.ts';
import { failTask } from '#sim/api/task-calls.ts';
import { incompatibleType } from '#sim/api/vdi-rules.ts';
import type { Ref } from '#sim/database/database.ts';
import type { DiskImage } from '#sim/disks/disk-layers.ts';
import { MAX_VHD_BYTES, vhdStream } from '#sim/disks/vhd.ts';
import type { HttpRequest, Outcome } from '#sim/wire/http-connection.ts';
import { send } from '#sim/wire/send.ts';
import { imageOf, type World } from '#sim/world.ts';
import { parameter } from './resource-access.ts';
import {
  accept,
  findVdi,
  redirectElsewhere,
  runTransfer,
  stream,
  type TransferContext,
  whileAttached,
} from './transfer.ts';

const PIECE_BYTES = 1_048_576;

export function exportRawVdi(world: World, request: HttpRequest, host: Ref): Promise<Outcome> {
  return runTransfer({ world, request, host }, { name: 'VDI.export_raw', role: 'vm-admin' }, exportDisk);
}

async function exportDisk(context: TransferContext): Promise<Outcome> {
  const { world, request } = context;
  const vdi = findVdi(world, parameter(request, 'vdi') ?? '');
  const elsewhere = await redirectElsewhere(context, world.db.VDI.get(vdi).SR);
  if (elsewhere) return elsewhere;
  if (world.db.VDI.get(vdi).type === 'cbt_metadata') throw incompatibleType(world, vdi);
  if (world.faults.exportAnswersTwice) return answerTwice(context);
  return whileAttached(context, { vdi, mode: 'RO' }, async () => {
    const pieces = piecesOf(context, vdi);
    await accept(context, 'application/octet-stream');
    return stream(context, pieces, world.faults.transferCutAfterBytes);
  });
}

function piecesOf({ world, request }: TransferContext, vdi: Ref): AsyncIterable<Buffer> {
  const image = imageOf(world, vdi);
  const format = parameter(request, 'format') ?? 'raw';
  if (format === 'raw') return rawPieces(image);
  if (format !== 'vhd') throw new ApiError('INTERNAL_ERROR', [`format ${format} is not simulated`]);
  const { uuid, virtual_size, snapshot_time } = world.db.VDI.get(vdi);
  if (virtual_size > MAX_VHD_BYTES) throw new ApiError('VDI_TOO_LARGE', [vdi, String(MAX_VHD_BYTES)]);
  const baseId = parameter(request, 'base');
  const source = { uuid, image, time: snapshot_time };
  if (baseId === undefined) return vhdStream(source);
  const base = findVdi(world, baseId);
  return vhdStream({ ...source, base: { uuid: world.db.VDI.get(base).uuid, image: imageOf(world, base) } });
}

async function* rawPieces(image: DiskImage): AsyncGenerator<Buffer> {
  for (let at = 0; at < image.sizeBytes; at += PIECE_BYTES) {
    yield await image.read(at, Math.min(PIECE_BYTES, image.sizeBytes - at));
  }
}

/** A known defect of the host: the body of the 200 is a whole answer with status 500. */
async function answerTwice(context: TransferContext): Promise<Outcome> {
  const { world, request, task } = context;
  await accept(context, 'application/octet-stream');
  const body = '<html><body>VDI_IO_ERROR: Device I/O errors</body></html>';
  const second = `HTTP/1.1 500 Internal Server Error\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`;
  await send(request.socket, Buffer.from(second));
  failTask(world, task, new ApiError('VDI_IO_ERROR', ['Device I/O errors']));
  return 'close';
}
