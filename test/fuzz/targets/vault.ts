/** What a vault holds beside documents: bytes that anybody with its keys may have written. */

import { readFileSync } from 'node:fs';
import { planCollection } from '#lib/collect/collector.ts';
import { parseDocument } from '#lib/format/document.ts';
import { decodeFrame, encodeFrame, encodeSectionBody } from '#lib/format/frame.ts';
import { ledgerEntry } from '#lib/format/ledger.ts';
import { parseManifestHeader } from '#lib/format/manifest.ts';
import { indexFromPack } from '#lib/format/pack.ts';
import { PackIndex } from '#lib/format/pack-index.ts';
import { decodeExtents } from '#lib/format/section.ts';
import { listPoints } from '#lib/restore/points.ts';
import { ObjectNotFound } from '#lib/store/failures.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { parseDiskId } from '#lib/units.ts';
import { listDisks } from '#lib/vault/disks.ts';
import { readLedger } from '#lib/vault/ledger.ts';
import { GOLDEN_DISK, GOLDEN_FILE } from '../../format/golden-vault.ts';
import type { FuzzTarget } from '../target.ts';
import { DOCUMENT_TARGETS, withDigest } from './documents.ts';

const GOLDEN: Readonly<Record<string, string>> = JSON.parse(readFileSync(GOLDEN_FILE, 'utf8'));

const golden = (kind: string) =>
  Object.entries(GOLDEN).flatMap(([key, base64]) => (key.includes(`/${kind}/`) ? [Buffer.from(base64, 'base64')] : []));

const DISK = parseDiskId(GOLDEN_DISK);
/** Whole documents: nothing that does not fit its digest may be read. */
const sealedDocument: FuzzTarget = {
  name: 'document-digest',
  from: 'vault',
  seeds: () => golden('ledger'),
  parse(input) {
    parseDocument(ledgerEntry, input, 'x');
    if (golden('ledger').every((known) => !known.equals(input))) throw new Error('a changed document was read');
    return 'unchanged';
  },
};

/** The header's length and digest are made to fit every second time, told by the last byte. */
const manifestHeader: FuzzTarget = {
  name: 'manifest-header',
  from: 'vault',
  seeds: () => golden('manifests'),
  dictionary: ['BFMANIF1', 'BFMANIF2', '"sections":[]', '"packs":[]', '"diskBytes":9007199254740991', 'null'],
  parse(input) {
    const fits = (input.at(-1) ?? 0) % 2 === 0 || input.length < 12;
    const end = Math.min(input.length, 12 + (input.length > 12 ? input.readUInt32LE(8) : 0));
    const body = withDigest(input.subarray(12, Math.max(12, end - 77)));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(body.length);
    const header = parseManifestHeader(fits ? input : Buffer.concat([input.subarray(0, 8), length, body]), 'x');
    return ['no packs', 'one pack', 'two packs'][header.packs.length] ?? 'many packs';
  },
};

const packIndex: FuzzTarget = {
  name: 'pack-index',
  from: 'vault',
  seeds: () => golden('indexes'),
  dictionary: ['BFINDEX1'],
  parse(input) {
    const index = new PackIndex(input, 'x');
    for (let slot = 0; slot < Math.min(index.grains, 100); slot++) {
      const frame = index.frameOfSlot(slot);
      if (slot < frame.firstSlot || slot >= frame.firstSlot + frame.grains)
        throw new Error(`slot ${slot} in another frame`);
      if (index.digestOf(slot).length !== 16) throw new Error(`slot ${slot} has no digest`);
    }
    return 'an index';
  },
};

const packTail: FuzzTarget = {
  name: 'pack-tail',
  from: 'vault',
  // Of a pack the tail alone: the frames in front of it are another parser's.
  seeds: () => golden('packs').map((bytes) => bytes.subarray(-1_200)),
  dictionary: ['BFINDEX1', '\xb1\xea\x92\x8f'],
  parse(input) {
    indexFromPack(input, 'x');
    return 'an index';
  },
};

const sectionSeeds = () => [
  Buffer.from([2, 3, 5, 0, 1, 0]),
  Buffer.from([3, 0x80, 0x80, 0x0f, 1, 1, 0, 7, 7, 4, 2]),
  Buffer.from([1, 0x80, 0x80, 0x10, 1, 0]),
  Buffer.from([0]),
];

/** The columns before compression. */
const section: FuzzTarget = {
  name: 'manifest-section',
  from: 'vault',
  seeds: sectionSeeds,
  dictionary: ['\x80\x80\x10', '\xff\xff\xff\xff\x7f'],
  parse(input) {
    const { firsts, lengths } = decodeExtents(encodeSectionBody(input), 'x');
    const end = (firsts.at(-1) ?? 0) + (lengths.at(-1) ?? 0);
    if (end > 262_144) throw new Error(`the section ends at grain ${end}`);
    return ['no extent', 'one extent', 'two extents'][firsts.length] ?? 'many extents';
  },
};

/** The compressed bytes: cut, flipped, or unpacking to more than any section has. */
const sectionFrame: FuzzTarget = {
  name: 'section-frame',
  from: 'vault',
  seeds: () => [...sectionSeeds().map((body) => encodeSectionBody(body)), encodeSectionBody(Buffer.alloc(5_000_000))],
  dictionary: ['\x28\xb5\x2f\xfd', '\x50\x2a\x4d\x18'],
  parse: (input) => `${decodeExtents(input, 'x').firsts.length > 0}`,
};

const frame: FuzzTarget = {
  name: 'frame',
  from: 'vault',
  seeds: () => [
    encodeFrame(Buffer.alloc(65_536, 'text')),
    encodeFrame(Buffer.alloc(1_536, 1)),
    encodeFrame(Buffer.alloc(262_144)),
  ],
  dictionary: ['\x28\xb5\x2f\xfd', '\x50\x2a\x4d\x18'],
  parse(input) {
    const content = decodeFrame(input, { grains: 1, where: 'x' });
    if (content.length > 65_536) throw new Error(`${content.length} bytes of one grain`);
    return 'content';
  },
};

/** A listing of the vault, one key a line; no object can be read. */
const keys: FuzzTarget = {
  name: 'vault-keys',
  from: 'vault',
  seeds: () => [
    Buffer.from(Object.keys(GOLDEN).join('\n')),
    Buffer.from(`vms/${DISK}/points/20260105T120000Z-0123456789abcdef.json`),
  ],
  dictionary: [
    'disks/',
    '/ledger/',
    '0000000001.json',
    '/../',
    '//',
    `disks/${GOLDEN_DISK}/`,
    'vms/',
    '/points/',
    '/packs/',
    '.zst',
  ],
  async parse(input) {
    const listed = input.toString().split('\n');
    const store = {
      async *list(prefix: string) {
        for (const key of listed) if (key.startsWith(prefix)) yield { key, bytes: 1, lastModified: new Date(0) };
      },
      get: (key: string) => Promise.reject(new ObjectNotFound(key)),
      head: () => Promise.resolve(undefined),
    } as unknown as ObjectStore;
    const versions = {
      list: store.list.bind(store),
      remove: () => Promise.reject(new Error('nothing may be removed')),
    };
    const ways = [
      () => listDisks(store),
      () => listPoints(store),
      () => readLedger(store, DISK),
      () => planCollection({ store, versions: versions as never }, DISK, new Date('2030-01-01')),
    ];
    await ways[input.length % ways.length]?.();
    return 'listed';
  },
};

export const VAULT_TARGETS: readonly FuzzTarget[] = [
  ...DOCUMENT_TARGETS,
  sealedDocument,
  manifestHeader,
  packIndex,
  packTail,
  section,
  sectionFrame,
  frame,
  keys,
];
