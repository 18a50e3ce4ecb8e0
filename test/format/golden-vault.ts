/**
 * The golden vault of format version 1: two points of one small disk. What is on the disk is a rule anybody can repeat;
 * what is in the vault is in test/golden/, keys with their bytes in base64: once with manifest headers in clear and once with
 * compressed ones.
 *
 * They are written once, and every later version has to read both. Run this file to write the second one anew, which only
 * a new version of the format justifies: node test/format/golden-vault.ts
 */

import { writeFile } from 'node:fs/promises';
import { encodeDocument, HEAD } from '#lib/format/document.ts';
import { GRAIN_BYTES, parseDiskId } from '#lib/units.ts';
import { LoneDisk } from '../fakes/lone-disk.ts';

export const GOLDEN_DISK = 'd15c0000-0000-4000-8000-00000000601d';
export const GOLDEN_FILE = `${import.meta.dirname}/../golden/format-v1.json`;
const GOLDEN_FILE_BFMANIF2 = `${import.meta.dirname}/../golden/format-v1-bfmanif2.json`;
export const GOLDEN_VAULTS = [
  { kind: 'with headers in clear', file: GOLDEN_FILE },
  { kind: 'with compressed headers', file: GOLDEN_FILE_BFMANIF2 },
] as const;

/**
 * Point 1: 38 grains and 1,536 bytes; grains whose number leaves 2 when divided by 3 are zeros. Point 2: grains 5 to 7 and
 * 36 have new text, grain 9 is zeros, the disk ends within its grain 38 as before. A grain with text repeats one line.
 */
export function goldenContent(point: 1 | 2): Buffer {
  const image = Buffer.alloc(38 * GRAIN_BYTES + 1536);
  for (let grain = 0; grain * GRAIN_BYTES < image.length; grain++) {
    const isNew = point === 2 && ((grain >= 5 && grain <= 7) || grain === 36);
    const isZero = point === 2 && grain === 9;
    if ((grain % 3 === 2 && !isNew) || isZero) continue;
    image.fill(`grain ${grain} of point ${isNew ? 2 : 1}\n`, grain * GRAIN_BYTES, (grain + 1) * GRAIN_BYTES);
  }
  return image;
}

async function writeVector(): Promise<void> {
  const disk = new LoneDisk({ disk: parseDiskId(GOLDEN_DISK), seed: 20261121 });
  await disk.store.put('vault.json', vaultDocument());
  await disk.backUp(goldenContent(1));
  disk.nowMs += 86_400_000;
  await disk.backUp(goldenContent(2));
  const kept = disk.bucket.objects.keys().filter((key) => !/^(runs|connections)\//.test(key));
  const objects = Object.fromEntries(
    kept.map((key) => [key, disk.bucket.objects.current(key)?.body.toString('base64') ?? '']),
  );
  await writeFile(GOLDEN_FILE_BFMANIF2, `${JSON.stringify(objects, undefined, 2)}\n`);
}

function vaultDocument(): Buffer {
  return encodeDocument({
    ...HEAD,
    requires: [],
    vault: '0123456789abcdef',
    created: new Date('2026-01-05T12:00:00Z'),
  });
}

if (import.meta.main) await writeVector();
