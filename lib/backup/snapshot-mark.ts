/**
 * The mark by which Blockferry knows its own snapshots. The host copies other_config from a disk to its snapshots and,
 * on a revert, back to a disk: so the mark names the snapshot itself, and a copy of it counts for nothing. It names the
 * disk too, because a revert or a move hangs the snapshots of one disk onto another.
 *
 * ```
 * other_config:blockferry = <vault> <run> <uuid of the snapshot> <uuid of the disk>
 * ```
 */

import { type DiskId, MalformedId, parseDiskId, parseRunId, type RunId } from '#lib/units.ts';
import type { XapiCaller } from '#lib/xapi/session.ts';
import { setVdiOtherConfig, type VdiRecord } from '#lib/xapi/vdi.ts';
import type { VdiRef } from '#lib/xapi/wire-types.ts';

const MARK_KEY = 'blockferry';

export interface SnapshotMark {
  readonly vault: string;
  readonly run: RunId;
  readonly disk: DiskId;
}

/** Written after the snapshot was made, never to the disk itself. */
export function markSnapshot(
  session: XapiCaller,
  { ref, uuid }: { ref: VdiRef; uuid: string },
  { vault, run, disk }: SnapshotMark,
): Promise<void> {
  return setVdiOtherConfig(session, ref, { key: MARK_KEY, value: `${vault} ${run} ${uuid} ${disk}` });
}

/** Which run made this snapshot of which disk for this vault; undefined for everything else. */
export function markOf(record: VdiRecord, vault: string): SnapshotMark | undefined {
  const [markVault, run = '', uuid, disk = ''] = record.otherConfig[MARK_KEY]?.split(' ') ?? [];
  if (!record.isSnapshot || markVault !== vault || uuid !== record.uuid) return undefined;
  try {
    return { vault, run: parseRunId(run), disk: parseDiskId(disk) };
  } catch (cause) {
    // A mark that cannot be read is nobody's: what it is on stays.
    if (cause instanceof MalformedId) return undefined;
    throw cause;
  }
}

/** Whether the snapshot carries anybody's valid mark. */
export function isMarked(record: VdiRecord): boolean {
  return record.otherConfig[MARK_KEY]?.split(' ')[2] === record.uuid;
}
