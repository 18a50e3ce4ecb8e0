/**
 * A manifest is the complete map of one disk at one point; no other manifest is needed to restore it.
 *
 * ```
 *  0  "BFMANIF2"
 *  8  u32 little-endian H, bytes of the header as it is stored
 * 12  header, H bytes: one zstd frame of JSON with disk, provenance, pack table and section directory
 *     sections one behind the other, each as lib/format/section.ts codes it
 * ```
 *
 * The header is compressed because every random read begins with it: 1.9 MiB of JSON for 16 TiB are 0.5 MiB of zstd. In a
 * manifest that begins with "BFMANIF1" it is the JSON itself; such manifests are read and no longer written.
 *
 * Section offsets count from the first byte behind the header. A section of 0 bytes reads as zeros.
 */

import { hash } from 'node:crypto';
import * as z from 'zod/mini';
import { type Bytes, grainsCovering, parseSha256, SECTION_GRAINS, type Sha256 } from '#lib/units.ts';
import {
  countField,
  diskIdField,
  documentHead,
  encodeDocument,
  packIdField,
  parseDocument,
  runIdField,
  sha256Field,
  timeField,
  vmIdField,
} from './document.ts';
import { DamagedObject } from './failures.ts';
import { decodeManifestHeader, encodeManifestHeader } from './frame.ts';

const MAGIC = 'BFMANIF2';
const MAGIC_OF_PLAIN_HEADER = 'BFMANIF1';
const PREAMBLE_BYTES = 12;
/** One GET of this size brings the whole header for disks up to about 6 TiB. */
export const MANIFEST_FIRST_FETCH_BYTES = 262_144;

const packEntry = z.object({
  /** Number by which sections refer to the pack; never given to another pack of this disk. */
  no: countField,
  run: runIdField,
  pack: packIdField,
  bytes: countField,
  /** CRC32 of the whole object. */
  crc32: countField,
  frames: countField,
  /** Grains stored in the pack, and how many of them this manifest uses. */
  grains: countField,
  live: countField,
  indexBytes: countField,
  indexSha256: sha256Field,
});

const sectionEntry = z.object({ offset: countField, bytes: countField, sha256: sha256Field });

const manifestHeader = z.object({
  ...documentHead,
  disk: diskIdField,
  diskBytes: countField,
  seq: countField,
  run: runIdField,
  time: timeField,
  /** The manifest this one was made from; absent for the first point of a disk. */
  base: z.optional(z.object({ seq: countField, headerSha256: sha256Field })),
  /** What the host says the content is of: the snapshot whose changed blocks the next run asks for. */
  source: z.object({ snapshot: diskIdField, snapshotTime: timeField, vm: vmIdField, changedBlocks: z.boolean() }),
  packs: z.array(packEntry),
  sections: z.array(sectionEntry),
});

export type PackEntry = Readonly<z.infer<typeof packEntry>>;
export type SectionEntry = Readonly<z.infer<typeof sectionEntry>>;
export type ManifestHeader = Readonly<z.infer<typeof manifestHeader>>;

/** How many sections map a disk of this size. */
export function sectionsOf(diskBytes: Bytes): number {
  return Math.ceil(grainsCovering(diskBytes) / SECTION_GRAINS);
}

export function sha256Of(bytes: Uint8Array): Sha256 {
  return parseSha256(hash('sha256', bytes, 'hex'));
}

/** The directory entries of sections that are stored one behind the other. */
export function sectionDirectory(sections: readonly Buffer[]): SectionEntry[] {
  let offset = 0;
  return sections.map((section) => {
    const entry = { offset, bytes: section.length, sha256: sha256Of(section) };
    offset += section.length;
    return entry;
  });
}

/** The manifest's bytes in pieces, so that nobody has to hold them twice. */
export function encodeManifest(header: ManifestHeader, sections: readonly Buffer[]): Buffer[] {
  const stored = encodeManifestHeader(encodeDocument(header));
  const preamble = Buffer.alloc(PREAMBLE_BYTES);
  preamble.write(MAGIC, 'latin1');
  preamble.writeUInt32LE(stored.length, 8);
  return [preamble, stored, ...sections];
}

/** Bytes from the start of the manifest to its first section, told by its first 12 bytes. */
export function manifestHeaderEnd(start: Buffer, where: string): number {
  const magic = start.toString('latin1', 0, MAGIC.length);
  if (start.length < PREAMBLE_BYTES || (magic !== MAGIC && magic !== MAGIC_OF_PLAIN_HEADER)) {
    throw new DamagedObject(`manifest ${where} does not begin as one`);
  }
  return PREAMBLE_BYTES + start.readUInt32LE(8);
}

/** Parses the header from at least its `manifestHeaderEnd` bytes and checks that pack table and sections are sound. */
export function parseManifestHeader(start: Buffer, where: string): ManifestHeader {
  const end = manifestHeaderEnd(start, where);
  if (start.length < end) throw new DamagedObject(`manifest ${where} is cut within its header`);
  const stored = start.subarray(PREAMBLE_BYTES, end);
  const isPlain = start.toString('latin1', 0, MAGIC.length) === MAGIC_OF_PLAIN_HEADER;
  const json = isPlain ? stored : decodeManifestHeader(stored, `manifest ${where}`);
  const header = parseDocument(manifestHeader, json, `manifest ${where}`);
  if (header.sections.length !== sectionsOf(header.diskBytes)) {
    throw new DamagedObject(`manifest ${where} has ${header.sections.length} sections for ${header.diskBytes} bytes`);
  }
  return header;
}

/** Byte range of a section within the manifest object. */
export function sectionRange(headerEnd: number, section: SectionEntry): { start: Bytes; end: Bytes } {
  return { start: headerEnd + section.offset, end: headerEnd + section.offset + section.bytes };
}
