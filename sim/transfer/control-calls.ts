/** Calls no real host has: they let another process play the guest of a running simulator. */

import { guestWrite, writeDifferences } from '#sim/disks/guest.ts';
import { type HttpRequest, htmlError, type Outcome, respond } from '#sim/wire/http-connection.ts';
import type { World } from '#sim/world.ts';
import { authenticate, unauthorized } from './resource-access.ts';

/** Written at once; a guest's own requests are of this order. */
const PIECE_BYTES = 2 * 1_048_576;

/** `PUT /simulator/write?vdi=<uuid>&offset=<bytes>` with the content, or `&image=<path>` to adopt an image file. */
export async function controlWrite(world: World, request: HttpRequest): Promise<Outcome> {
  const { socket, query, headers, body } = request;
  if (authenticate(world, request) !== 'pool-admin') return unauthorized(socket);
  try {
    const vdi = world.db.VDI.byUuid(query.get('vdi') ?? '');
    const image = query.get('image');
    if (image !== null) {
      const blocks = await writeDifferences(world, vdi, image);
      return respond(socket, { status: '200 OK', body: JSON.stringify({ blocks }), close: true });
    }
    const lengthBytes = Number(headers.get('content-length'));
    let offsetBytes = Number(query.get('offset') ?? 0);
    const end = offsetBytes + lengthBytes;
    while (offsetBytes < end) {
      const bytes = await body.exactly(Math.min(PIECE_BYTES, end - offsetBytes));
      guestWrite(world, vdi, { offsetBytes, bytes });
      offsetBytes += bytes.length;
    }
    return respond(socket, { status: '200 OK', body: JSON.stringify({ bytes: lengthBytes }), close: true });
  } catch (error) {
    return htmlError(socket, '500 Internal Server Error', error instanceof Error ? error.message : String(error));
  }
}
