/** The use case of the state verify-points: the cheap look at every disk, for as long as one call may take. */

import type { Clock } from '#lib/clock.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { listDisks } from '#lib/vault/disks.ts';
import { verifyDisk } from './verify-disk.ts';

/** A disk takes seconds: its listing and the headers of its manifests. */
const CLOSING_TIME_MS = 120_000;

export interface VerifyVaultPorts {
  readonly store: ObjectStore;
  readonly clock: Clock;
  /** When the function will be killed. */
  readonly deadline: Date;
}

export interface VerifiedDisks {
  readonly done: boolean;
  /** The last disk that was looked at; the next call begins behind it. */
  readonly after: string;
  /** Disks that have points. */
  readonly disks: number;
  readonly findings: number;
}

/** Disks come in the order of their ids, so that a call goes on where the one before stopped. */
export async function verifyVault({ store, clock, deadline }: VerifyVaultPorts, after: string): Promise<VerifiedDisks> {
  const pending = (await listDisks(store)).filter((disk) => disk > after);
  let [disks, findings] = [0, 0];
  for (const disk of pending) {
    const record = await verifyDisk(store, disk, { level: 1, now: clock.now() });
    disks += record === undefined ? 0 : 1;
    findings += record?.findings.length ?? 0;
    const isLate = clock.now().getTime() >= deadline.getTime() - CLOSING_TIME_MS;
    if (isLate && disk !== pending.at(-1)) return { done: false, after: disk, disks, findings };
  }
  return { done: true, after: pending.at(-1) ?? after, disks, findings };
}
