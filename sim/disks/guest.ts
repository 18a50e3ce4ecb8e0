/** What happens inside and around the VMs of a simulated pool: writes, resizes, crashes, moves. */

import { open } from 'node:fs/promises';
import type { Ref } from '#sim/database/database.ts';
import { NULL_REF } from '#sim/wire/values.ts';
import { imageOf, type World } from '#sim/world.ts';
import { GRAIN_BYTES } from './disk-layers.ts';

/** A write by the guest: the change log notes it in whole blocks before it reaches the disk. */
export function guestWrite(world: World, vdi: Ref, write: { offsetBytes: number; bytes: Uint8Array }): void {
  const { offsetBytes, bytes } = write;
  if (world.db.VDI.get(vdi).read_only) throw new Error(`VDI ${vdi} is read-only`);
  world.cbt.markWritten(world.db.VDI.get(vdi).uuid, offsetBytes, bytes.length);
  imageOf(world, vdi).write(offsetBytes, bytes);
}

/** Pieces compared at once; a multiple of a grain. */
const COMPARED_BYTES = 64 * GRAIN_BYTES;

/** Turns the disk into the content of another image file, writing only the blocks that differ; answers how many. */
export async function writeDifferences(world: World, vdi: Ref, imageFile: string): Promise<number> {
  const { virtual_size } = world.db.VDI.get(vdi);
  const file = await open(imageFile, 'r');
  let written = 0;
  try {
    for (let at = 0; at < virtual_size; at += COMPARED_BYTES) {
      // Zeros where the file ends before the disk does.
      const wanted = Buffer.alloc(Math.min(COMPARED_BYTES, virtual_size - at));
      await file.read(wanted, 0, wanted.length, at);
      const present = await imageOf(world, vdi).read(at, wanted.length);
      for (const grainOffset of differingGrains(wanted, present)) {
        const bytes = wanted.subarray(grainOffset, grainOffset + GRAIN_BYTES);
        guestWrite(world, vdi, { offsetBytes: at + grainOffset, bytes });
        written += 1;
      }
    }
  } finally {
    await file.close();
  }
  return written;
}

function* differingGrains(wanted: Buffer, present: Buffer): Generator<number> {
  if (wanted.equals(present)) return;
  for (let at = 0; at < wanted.length; at += GRAIN_BYTES) {
    if (!wanted.subarray(at, at + GRAIN_BYTES).equals(present.subarray(at, at + GRAIN_BYTES))) yield at;
  }
}

/** The logs of disks that were open for writing when the host died cannot be trusted any more. */
export function crashLogs(world: World): Ref[] {
  const { VBD, VM, VDI } = world.db;
  const writing = VBD.where((vbd) => vbd.currently_attached && vbd.mode === 'RW' && vbd.VDI !== NULL_REF);
  for (const vbd of writing) world.cbt.markInconsistent(VDI.get(VBD.get(vbd).VDI).uuid);
  // A reboot clears what the control domain had attached.
  for (const vbd of VBD.where((row) => VM.get(row.VM).is_control_domain)) VBD.delete(vbd);
  return VM.where((vm) => vm.power_state === 'Running' && !vm.is_control_domain);
}
