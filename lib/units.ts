/**
 * The sizes and identifiers of the domain. A number that counts bytes cannot be passed where grains are meant, and
 * an identifier exists only after it was parsed.
 */

import { Failure } from './failure.ts';

declare const unit: unique symbol;
declare const brand: unique symbol;

/** A number with a unit: plain numbers may become one, but two different units never mix. */
type Unit<Name extends string> = number & { readonly [unit]?: Name };
/** A string that passed its parser. */
type Brand<Name extends string> = string & { readonly [brand]: Name };

/** Bytes of a disk, an object or a buffer. */
export type Bytes = Unit<'bytes'>;
/** How many grains. */
export type GrainCount = Unit<'grains'>;
/** Position of a grain on its disk, from 0. */
export type GrainIndex = Unit<'grain index'>;

/** 64 KiB: the unit in which XenServer's changed block tracking reports and in which the vault stores. */
export const GRAIN_BYTES = 65_536;
/** Grains of one frame's window: 256 KiB gets 93 % of the compression of 1 MiB and bounds a random read. */
export const WINDOW_GRAINS = 4;
/** Grains of one manifest section: 16 GiB of disk, so that a random read opens one small section. */
export const SECTION_GRAINS = 262_144;
export const MIB = 1_048_576;
export const GIB = 1_073_741_824;

/** How many grains cover `diskBytes`; the last one may be short. */
export function grainsCovering(diskBytes: Bytes): GrainCount {
  return Math.ceil(diskBytes / GRAIN_BYTES);
}

/** Position behind the last of `grains` grains that begin at 0. */
export function indexAfter(grains: GrainCount): GrainIndex {
  return 0 + grains;
}

/** Byte offset at which a grain begins. */
export function grainOffsetBytes(grain: GrainIndex): Bytes {
  return grain * GRAIN_BYTES;
}

/** Bytes of `count` grains from `first` on a disk of `diskBytes`: less than whole grains only at the end of the disk. */
export function grainRunBytes(run: { first: GrainIndex; count: GrainCount }, diskBytes: Bytes): Bytes {
  return Math.min((run.first + run.count) * GRAIN_BYTES, diskBytes) - run.first * GRAIN_BYTES;
}

/** UUID of a XenServer VDI; names a disk of the vault. */
export type DiskId = Brand<'DiskId'>;
/** UUID of a XenServer VM. */
export type VmId = Brand<'VmId'>;
/** Names one run of the backup workflow: 16 hexadecimal digits. */
export type RunId = Brand<'RunId'>;
/** Names one pack: 32 hexadecimal digits, drawn anew for every attempt. */
export type PackId = Brand<'PackId'>;
/** SHA-256 as 64 hexadecimal digits. */
export type Sha256 = Brand<'Sha256'>;

/** A value from outside does not have the form of the identifier it should be. */
export class MalformedId extends Failure {
  static override readonly failureName = 'MalformedId';
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

function parseId<T extends string>(text: string, pattern: RegExp, what: string): T {
  if (!pattern.test(text)) throw new MalformedId(`${JSON.stringify(text)} is not ${what}`);
  return text as T;
}

export const parseDiskId = (text: string): DiskId => parseId(text, UUID, 'a disk id (a VDI uuid in lower case)');
export const parseVmId = (text: string): VmId => parseId(text, UUID, 'a VM id (a VM uuid in lower case)');
export const parseRunId = (text: string): RunId => parseId(text, /^[0-9a-f]{16}$/, 'a run id (16 hexadecimal digits)');
export const parsePackId = (text: string): PackId =>
  parseId(text, /^[0-9a-f]{32}$/, 'a pack id (32 hexadecimal digits)');
export const parseSha256 = (text: string): Sha256 =>
  parseId(text, /^[0-9a-f]{64}$/, 'a SHA-256 digest (64 hexadecimal digits)');
