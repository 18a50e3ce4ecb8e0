/** What the streaming handlers share: who may, which disk, on which host, and the task that tells the end. */

import { ApiError, asApiError } from '#sim/api/api-error.ts';
import { includesRole, type Role } from '#sim/api/roles.ts';
import { failTask, startTask, succeedTask } from '#sim/api/task-calls.ts';
import { addVbd, plugVbd } from '#sim/api/vbd-calls.ts';
import { vdiInUse } from '#sim/api/vdi-rules.ts';
import type { Ref } from '#sim/database/database.ts';
import { pause } from '#sim/timings.ts';
import { type HttpRequest, htmlError, type Outcome, respond } from '#sim/wire/http-connection.ts';
import { send } from '#sim/wire/send.ts';
import { NULL_REF, VOID } from '#sim/wire/values.ts';
import type { World } from '#sim/world.ts';
import { authenticate, forbidden, parameter, unauthorized } from './resource-access.ts';

export interface TransferContext {
  readonly world: World;
  readonly request: HttpRequest;
  /** The host that was asked. */
  readonly host: Ref;
  readonly task: Ref;
}

/** Checks the caller, finds or makes the task, and lets every error end in it. */
export async function runTransfer(
  at: { world: World; request: HttpRequest; host: Ref },
  { name, role }: { name: string; role: Role },
  work: (context: TransferContext) => Promise<Outcome>,
): Promise<Outcome> {
  const { world, request, host } = at;
  const held = authenticate(world, request);
  if (held === undefined) return unauthorized(request.socket);
  if (!includesRole(held, role)) return forbidden(request.socket);
  const given = parameter(request, 'task_id');
  if (given !== undefined && !world.db.task.has(given)) {
    return htmlError(request.socket, '500 Internal Server Error', `HANDLE_INVALID task ${given}`);
  }
  const task = given ?? startTask(world, { label: name, description: '', session: NULL_REF, host });
  try {
    return await work({ ...at, task });
  } catch (error) {
    const failure = asApiError(error);
    failTask(world, task, failure);
    // After the 200 there is no status left to change: this text lands in the middle of the stream, or nowhere.
    return htmlError(request.socket, '500 Internal Server Error', failure.message);
  }
}

/** The header of a successful transfer; it is sent before any of the work is done. */
export function accept({ request, task }: TransferContext, contentType: string): Promise<void> {
  const lines = [
    'HTTP/1.1 200 OK',
    'connection: close',
    'cache-control: no-cache, no-store',
    `content-type: ${contentType}`,
    `task-id: ${task}`,
  ];
  return send(request.socket, Buffer.from(`${lines.join('\r\n')}\r\n\r\n`));
}

/** Sends pieces until the client leaves or the limit is reached; the end of the data is the end of the connection. */
export async function stream(
  { world, request, task }: TransferContext,
  pieces: AsyncIterable<Buffer>,
  limitBytes = Number.POSITIVE_INFINITY,
): Promise<Outcome> {
  let sentBytes = 0;
  for await (const piece of pieces) {
    const allowed = Math.min(piece.length, limitBytes - sentBytes);
    await send(request.socket, piece.subarray(0, allowed));
    sentBytes += allowed;
    if (request.socket.destroyed || allowed < piece.length) {
      request.socket.destroy();
      throw new ApiError('VDI_IO_ERROR', ['The stream was interrupted']);
    }
  }
  succeedTask(world, task, VOID);
  return 'close';
}

/** A VDI by reference or uuid. */
export function findVdi(world: World, id: string): Ref {
  return world.db.VDI.has(id) ? id : world.db.VDI.byUuid(id);
}

/** Answers 302 when the contacted host cannot reach the storage; undefined when it can. */
export async function redirectElsewhere(
  { world, request, host }: TransferContext,
  sr: Ref,
): Promise<Outcome | undefined> {
  const { PBD, host: hosts } = world.db;
  const attached = PBD.where((pbd) => pbd.SR === sr && pbd.currently_attached).map((pbd) => PBD.get(pbd).host);
  if (attached.includes(host)) return undefined;
  const [other] = attached;
  if (other === undefined) throw new ApiError('SR_NO_PBDS', [sr]);
  // A real host names no port, because all hosts listen on 443. The query comes along, and with it the session.
  const authority = `${hosts.get(other).address}:${world.endpoints.apiPort}`;
  const headers = [`location: https://${authority}${request.target}`];
  return respond(request.socket, { status: '302 Found', headers, body: '', close: true });
}

/** Keeps the disk attached to the control domain while `work` runs. */
export async function whileAttached<T>(
  { world, host }: TransferContext,
  { vdi, mode }: { vdi: Ref; mode: 'RO' | 'RW' },
  work: () => Promise<T>,
): Promise<T> {
  const { VBD } = world.db;
  const others = VBD.where((row) => row.VDI === vdi && row.currently_attached && (mode === 'RW' || row.mode === 'RW'));
  if (others.length > 0) throw vdiInUse(world, vdi, 'attach');
  const vbd = addVbd(world, { vm: world.db.host.get(host).control_domain, vdi, mode });
  try {
    await pause(world.timings.plugMs, world.stopping.signal);
    plugVbd(world, vbd);
    return await work();
  } finally {
    VBD.delete(vbd);
  }
}
