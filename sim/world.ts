/** Everything one simulated pool consists of, shared by its API calls and its NBD servers. */

import type { Role, User } from '#sim/api/roles.ts';
import type { Database, Ref } from '#sim/database/database.ts';
import type { CbtLogs } from '#sim/disks/cbt.ts';
import type { DiskImage, DiskStore } from '#sim/disks/disk-layers.ts';
import { NULL_REF } from '#sim/wire/values.ts';
import type { HostCertificates } from './certificates.ts';
import type { Counters } from './counters.ts';
import type { Faults } from './faults.ts';
import type { Timings } from './timings.ts';

export interface World {
  readonly db: Database;
  readonly store: DiskStore;
  /** Contents by VDI reference; a VDI whose data was destroyed has none. */
  readonly images: Map<Ref, DiskImage>;
  readonly cbt: CbtLogs;
  readonly faults: Faults;
  readonly timings: Timings;
  readonly counters: Counters;
  readonly users: readonly User[];
  readonly clock: SimulatedClock;
  readonly sessionRoles: Map<Ref, Role>;
  /** What runs on each storage repository now: SR reference -> operation. */
  readonly srOperations: Map<Ref, string>;
  /** When a file last left a chain on a storage repository: SR reference -> milliseconds of the host's clock. */
  readonly coalescingSince: Map<Ref, number>;
  readonly taskAborts: Map<Ref, AbortController>;
  /** Ends every wait of the simulator when it stops. */
  readonly stopping: AbortController;
  readonly nbdConnectionLimit: number;
  /** Set once the servers listen. */
  endpoints: { readonly apiPort: number; readonly nbdPort: number };
  readonly certificates: HostCertificates;
  readonly ecdhCurve: string;
}

/** The host's clock; tests move it forward to see things expire. */
export class SimulatedClock {
  #aheadMs = 0;

  now(): Date {
    return new Date(Date.now() + this.#aheadMs);
  }

  advance(ms: number): void {
    this.#aheadMs += ms;
  }
}

/** The image behind a VDI; a VDI without data reads as nothing. */
export function imageOf(world: World, vdi: Ref): DiskImage {
  const image = world.images.get(vdi);
  if (!image) throw new Error(`VDI ${vdi} has no data`);
  return image;
}

export function poolOf(world: World): Ref {
  return world.db.pool.refs()[0] ?? NULL_REF;
}

/** Raises an object-bound alert, as storage drivers do. */
export function raiseMessage(world: World, message: { name: string; cls: string; objectUuid: string; body: string }) {
  const { name, cls, objectUuid, body } = message;
  world.db.message.create({ name, cls, obj_uuid: objectUuid, body, priority: 3, timestamp: world.clock.now() });
}
