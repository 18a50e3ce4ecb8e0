/** What VMs and disks a pool had when somebody last looked: what coverage is judged by where no host can be asked. */

import * as z from 'zod/mini';
import { countField, documentHead, timeField } from './document.ts';

const inventoryDisk = z.object({
  uuid: z.string(),
  name: z.string(),
  allocatedBytes: countField,
  /** Why no host can back it up; absent for disks that can be. */
  impossible: z.optional(z.string()),
});

const inventoryVm = z.object({
  uuid: z.string(),
  name: z.string(),
  tags: z.array(z.string()),
  disks: z.array(inventoryDisk),
});

export const poolInventory = z.object({
  ...documentHead,
  pool: z.string(),
  time: timeField,
  vms: z.array(inventoryVm),
});

export type InventoryDisk = Readonly<z.infer<typeof inventoryDisk>>;
export type InventoryVm = Readonly<z.infer<typeof inventoryVm>>;
export type PoolInventory = Readonly<z.infer<typeof poolInventory>>;
