/**
 * The mark by which Blockferry knows its own snapshots. The host copies other_config from a disk to its snapshots and,
 * on a revert, back to a disk: so the mark names the snapshot itself, and a copy of it counts for nothing.
 */

import type { RunId } from '#lib/units.ts';
import type { XapiCaller } from '#lib/xapi/session.ts';
import { setVdiOtherConfig, type VdiRecord } from '#lib/xapi/vdi.ts';
import type { VdiRef } from '#lib/xapi/wire-types.ts';

const MARK_KEY = 'blockferry';

export interface SnapshotMark {
  readonly vault: string;
  readonly run: RunId;
}

/** Written after the snapshot was made, never to the disk itself. */
export function markSnapshot(
  session: XapiCaller,
  { ref, uuid }: { ref: VdiRef; uuid: string },
  { vault, run }: SnapshotMark,
): Promise<void> {
  return setVdiOtherConfig(session, ref, { key: MARK_KEY, value: `${vault} ${run} ${uuid}` });
}

/** The run that made this snapshot for this vault; undefined for everything else. */
export function markedBy(record: VdiRecord, vault: string): string | undefined {
  const [markVault, run, uuid] = record.otherConfig[MARK_KEY]?.split(' ') ?? [];
  return record.isSnapshot && markVault === vault && uuid === record.uuid ? run : undefined;
}

/** Whether the snapshot carries anybody's valid mark. */
export function isMarked(record: VdiRecord): boolean {
  return record.otherConfig[MARK_KEY]?.split(' ')[2] === record.uuid;
}
