/**
 * How a restore knows on a host what it has made, also after its process died.
 *
 * ```
 * name_label                      [incomplete restore] web-1      until all of the restore is there; then web-1
 * other_config
 *   blockferry:incomplete         yes                             removed at that moment
 *   blockferry:restored-grains    grains from the start on that are in place; removed at that moment
 *   blockferry:restore            id of the restore
 *   blockferry:restored-from      <disk> <seq> <start of the manifest's SHA-256>, or the name of the point of a VM
 *   blockferry:execution          <pool> <ARN> on disks that an execution restores
 * ```
 */

import { type Bytes, type GrainIndex, grainsCovering, indexAfter } from '#lib/units.ts';
import type { DiskContent } from '#lib/vault/disk-content.ts';

export const INCOMPLETE_PREFIX = '[incomplete restore] ';
export const INCOMPLETE_KEY = 'blockferry:incomplete';
export const GRAINS_KEY = 'blockferry:restored-grains';
const RESTORE_KEY = 'blockferry:restore';
const FROM_KEY = 'blockferry:restored-from';
const EXECUTION_KEY = 'blockferry:execution';

/** Who answers for a restore that people do not start by hand: the sweep removes it when this has died. */
export interface RestoringExecution {
  /** The pool's name in the settings of the installation. */
  readonly pool: string;
  readonly execution: string;
}

export interface RestoreMark {
  readonly id: string;
  readonly from: string;
  readonly incomplete: boolean;
  /** Of a disk, the first grain that is not in place. */
  readonly nextGrain: GrainIndex;
  readonly by?: RestoringExecution;
}

type OtherConfig = Readonly<Record<string, string>>;

/** Undefined for what no restore has made. */
export function restoreMarkOf(otherConfig: OtherConfig): RestoreMark | undefined {
  const { [RESTORE_KEY]: id, [FROM_KEY]: from = '', [GRAINS_KEY]: grains = '0' } = otherConfig;
  if (id === undefined) return undefined;
  const by = executionOf(otherConfig);
  const mark = { id, from, incomplete: INCOMPLETE_KEY in otherConfig, nextGrain: grainsInPlace(grains) };
  return by === undefined ? mark : { ...mark, by };
}

/** A host may say anything: what is no number of grains is taken for nothing, and all is written again. */
function grainsInPlace(text: string): GrainIndex {
  const grains = /^\d+$/.test(text) ? Number(text) : 0;
  return Number.isSafeInteger(grains) ? grains : 0;
}

/** A pool's name may hold spaces, an ARN holds none. */
function executionOf({ [EXECUTION_KEY]: text = '' }: OtherConfig): RestoringExecution | undefined {
  const [, pool, execution] = /^(.+) (\S+)$/.exec(text) ?? [];
  return pool === undefined || execution === undefined ? undefined : { pool, execution };
}

/** What an object bears from the moment it exists. */
export function beginningMark({ id, from, by }: Pick<RestoreMark, 'id' | 'from' | 'by'>): OtherConfig {
  const mark = { [INCOMPLETE_KEY]: 'yes', [RESTORE_KEY]: id, [FROM_KEY]: from };
  return by === undefined ? mark : { ...mark, [EXECUTION_KEY]: `${by.pool} ${by.execution}` };
}

/** The exact bytes: a vault that was begun anew may have another point of the same number. */
export function originOf({ entry: { disk, seq, manifest } }: DiskContent): string {
  return `${disk} ${seq} ${manifest.headerSha256.slice(0, 16)}`;
}

export function incompleteName(nameLabel: string): string {
  return `${INCOMPLETE_PREFIX}${nameLabel}`;
}

export function completeName(nameLabel: string): string {
  return nameLabel.startsWith(INCOMPLETE_PREFIX) ? nameLabel.slice(INCOMPLETE_PREFIX.length) : nameLabel;
}

export function isAllInPlace({ nextGrain }: RestoreMark, diskBytes: Bytes): boolean {
  return nextGrain >= indexAfter(grainsCovering(diskBytes));
}
