/** What list and show say about how closely a point was verified. */

import type { Verification } from '#lib/format/verification.ts';
import { closestVerification, newestVerifications } from '#lib/restore/verified-level.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { DiskId } from '#lib/units.ts';
import { formatTime } from './console-text.ts';

/** Level 0 without a time is the commit itself. `findings` counts those that concern the point. */
export interface Verified {
  readonly level: number;
  readonly time?: Date;
  readonly findings: number;
}

const AT_COMMIT: Verified = { level: 0, findings: 0 };

/** Reads the records of each disk once, however many of its points are asked for. */
export class VerifiedPoints {
  readonly #store: ObjectStore;
  readonly #records = new Map<DiskId, readonly Verification[]>();

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  async ofDisk({ disk, seq }: { readonly disk: DiskId; readonly seq: number }): Promise<Verified> {
    const records = this.#records.get(disk) ?? (await newestVerifications(this.#store, disk));
    this.#records.set(disk, records);
    const closest = closestVerification(records, seq);
    if (closest === undefined) return AT_COMMIT;
    const findings = closest.findings.filter(({ points }) => points.includes(seq)).length;
    return { level: closest.level, time: closest.time, findings };
  }

  /** A VM is verified as closely as the disk of it that was looked at least; the findings of all disks count. */
  async ofPoint(disks: readonly { readonly disk: DiskId; readonly seq: number }[]): Promise<Verified> {
    const verified: Verified[] = [];
    for (const disk of disks) verified.push(await this.ofDisk(disk));
    const [least = AT_COMMIT] = verified.toSorted(
      (a, b) => a.level - b.level || (a.time?.getTime() ?? 0) - (b.time?.getTime() ?? 0),
    );
    return { ...least, findings: verified.reduce((sum, { findings }) => sum + findings, 0) };
  }
}

export function verifiedText({ level, time, findings }: Verified): string {
  const looked = time === undefined ? 'at commit' : `level ${level} at ${formatTime(time)}`;
  return findings === 0 ? looked : `${looked}: ${findings} FINDINGS`;
}
