/** Attaching a disk to the control domain for an NBD client, and letting go of it afterwards. */

import { includesRole } from '#sim/api/roles.ts';
import { useSession } from '#sim/api/session-calls.ts';
import { addVbd, plugVbd } from '#sim/api/vbd-calls.ts';
import { vdiInUse } from '#sim/api/vdi-rules.ts';
import type { Ref } from '#sim/database/database.ts';
import type { DiskImage } from '#sim/disks/disk-layers.ts';
import { pause } from '#sim/timings.ts';
import { imageOf, type World } from '#sim/world.ts';

export interface Export {
  readonly vbd: Ref;
  readonly vdiUuid: string;
  readonly image: DiskImage;
  readonly sizeBytes: number;
}

/** How often a stuck unplug looks whether the fault is over. */
const STUCK_POLL_MS = 10;

/** Plugs the disk with the caller's session; undefined for every reason it cannot, which only the host's log tells. */
export async function attachExport(world: World, host: Ref, exportName: string): Promise<Export | undefined> {
  try {
    return await attach(world, host, exportName);
  } catch {
    return undefined;
  }
}

async function attach(world: World, host: Ref, exportName: string): Promise<Export> {
  // The path minus its first character is the uuid, so the leading slash matters; other query keys are ignored.
  const { pathname, searchParams } = new URL(exportName, 'nbd://host');
  const uuid = exportName.startsWith('/') ? pathname.slice(1) : '';
  const role = useSession(world, searchParams.get('session_id') ?? '');
  if (!includesRole(role, 'vm-admin')) throw new Error('plugging needs the role vm-admin');
  const vdi = world.db.VDI.byUuid(uuid);
  const image = imageOf(world, vdi);
  if (world.faults.simultaneousPlugsFail && isBeingPlugged(world, vdi)) throw vdiInUse(world, vdi, 'attach');
  const vbd = addVbd(world, { vm: world.db.host.get(host).control_domain, vdi, mode: 'RO', userdevice: 'autodetect' });
  try {
    await pause(world.timings.plugMs, world.stopping.signal);
    plugVbd(world, vbd);
  } catch (error) {
    world.db.VBD.delete(vbd);
    throw error;
  }
  return { vbd, vdiUuid: uuid, image, sizeBytes: world.db.VDI.get(vdi).virtual_size };
}

function isBeingPlugged(world: World, vdi: Ref): boolean {
  const { VBD, VM } = world.db;
  return VBD.where((vbd) => vbd.VDI === vdi && !vbd.currently_attached && VM.get(vbd.VM).is_control_domain).length > 0;
}

/** Unplugging takes a while after the client has gone; until then the disk counts as in use. */
export async function detachExport(world: World, { vbd }: Export): Promise<void> {
  const { signal } = world.stopping;
  await pause(world.timings.unplugMs, signal);
  while (world.faults.nbdNeverUnplugs && world.db.VBD.has(vbd)) await pause(STUCK_POLL_MS, signal);
  world.db.VBD.delete(vbd);
}
