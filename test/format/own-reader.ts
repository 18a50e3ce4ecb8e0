/**
 * A reader of the vault written from docs/format.md alone: it shares no line with the product, so that a mistake which
 * writer and reader of the product make together shows here.
 */

import { createHash } from 'node:crypto';
import { zstdDecompressSync } from 'node:zlib';

export type GetObject = (key: string) => Buffer;

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

function demand(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

function readDocument(bytes: Buffer) {
  const end = bytes.length - 78;
  demand(sha256(bytes.subarray(0, end)) === bytes.toString('latin1', end + 11, end + 75), 'digest of a document');
  return JSON.parse(bytes.toString('utf8'));
}

/** The bytes of a disk at one point. */
export function readDisk(get: GetObject, disk: string, seq: number): Buffer {
  const entry = readDocument(get(`disks/${disk}/ledger/${String(seq).padStart(10, '0')}.json`));
  const manifest = get(entry.manifest.key);
  const magic = manifest.toString('latin1', 0, 8);
  demand(magic === 'BFMANIF1' || magic === 'BFMANIF2', 'magic of the manifest');
  const headerEnd = 12 + manifest.readUInt32LE(8);
  demand(sha256(manifest.subarray(0, headerEnd)) === entry.manifest.headerSha256, 'digest of the manifest header');
  const stored = manifest.subarray(12, headerEnd);
  const header = readDocument(magic === 'BFMANIF2' ? zstdDecompressSync(stored) : stored);
  const image = Buffer.alloc(header.diskBytes);
  const packs = new Map<number, Pack>();
  for (const pack of header.packs) packs.set(pack.no, new Pack(get, disk, pack));
  for (const [number, { offset, bytes, sha256: digest }] of header.sections.entries()) {
    const section = manifest.subarray(headerEnd + offset, headerEnd + offset + bytes);
    demand(sha256(section) === digest, `digest of section ${number}`);
    for (const { at, pack, slot } of readSection(section)) {
      const grain = number * 262_144 + at;
      packs
        .get(pack)!
        .grain(slot, grain)
        .copy(image, grain * 65_536);
    }
  }
  return image;
}

function* readSection(stored: Buffer) {
  if (stored.length === 0) return;
  const body = zstdDecompressSync(stored);
  let at = 0;
  const varint = () => {
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = body[at++]!;
      value += (byte % 128) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
  };
  const count = varint();
  const lengths = Array.from({ length: count }, varint);
  const packs = Array.from({ length: count }, varint);
  const following = new Map<number, number>();
  let grain = 0;
  for (let i = 0; i < count; i++) {
    const pack = packs[i]!;
    if (pack > 0) {
      const zigzag = varint();
      const slot = (following.get(pack) ?? 0) + (zigzag % 2 === 1 ? -(zigzag + 1) / 2 : zigzag / 2);
      for (let k = 0; k < lengths[i]!; k++) yield { at: grain + k, pack, slot: slot + k };
      following.set(pack, slot + lengths[i]!);
    }
    grain += lengths[i]!;
  }
  demand(at === body.length, 'a section ends with its last extent');
}

class Pack {
  readonly #slots: { grain: number; content: Buffer }[] = [];

  constructor(get: GetObject, disk: string, entry: { run: string; pack: string; bytes: number; indexSha256: string }) {
    const pack = get(`disks/${disk}/packs/${entry.run}/${entry.pack}.zst`);
    const index = get(`disks/${disk}/indexes/${entry.run}/${entry.pack}.bfi`);
    demand(pack.length === entry.bytes && sha256(index) === entry.indexSha256, `pack ${entry.pack}`);
    demand(index.toString('hex', 8, 24) === entry.pack, 'the index names its pack');
    const frames = index.readUInt32LE(24);
    let [at, digest] = [0, 32 + 9 * frames];
    for (let frame = 0; frame < frames; frame++) {
      const window = index.readUInt32LE(32 + 4 * frame);
      const storedBytes = index.readUInt32LE(32 + 4 * frames + 4 * frame);
      const mask = index[32 + 8 * frames + frame]!;
      let content = zstdDecompressSync(pack.subarray(at, at + storedBytes));
      for (let bit = 0; bit < 4; bit++) {
        if (((mask >> bit) & 1) === 0) continue;
        const grain = content.subarray(0, 65_536);
        demand(sha256(grain).slice(0, 32) === index.toString('hex', digest, digest + 16), 'digest of a grain');
        this.#slots.push({ grain: window * 4 + bit, content: grain });
        content = content.subarray(grain.length);
        digest += 16;
      }
      at += storedBytes;
    }
  }

  grain(slot: number, expected: number): Buffer {
    const { grain, content } = this.#slots[slot]!;
    demand(grain === expected, `slot ${slot} holds grain ${grain}, not ${expected}`);
    return content;
  }
}
