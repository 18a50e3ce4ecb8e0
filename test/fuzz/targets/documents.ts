/** The vault's JSON documents, each with a digest that fits it: whoever may write can compute it. */

import { hash } from 'node:crypto';
import { readCallRecords } from '#lib/backup/call-records.ts';
import { readConnection } from '#lib/backup/connection-document.ts';
import { readLeaseHolder } from '#lib/backup/lease.ts';
import { takeSlots } from '#lib/backup/reader-slots.ts';
import { readRunRecord } from '#lib/backup/run-record.ts';
import { pointClosing } from '#lib/format/call-record.ts';
import { HEAD, parseDocument } from '#lib/format/document.ts';
import { expiry } from '#lib/format/expiry.ts';
import { poolInventory } from '#lib/format/inventory.ts';
import { ledgerEntry } from '#lib/format/ledger.ts';
import { runPlan } from '#lib/format/plan.ts';
import { vmPoint } from '#lib/format/point.ts';
import { Outcomes, receipt } from '#lib/format/receipt.ts';
import { signature } from '#lib/format/signature.ts';
import { damage, verification } from '#lib/format/verification.ts';
import { certificateDaysLeft } from '#lib/host/certificate-expiry.ts';
import { readSweepResult } from '#lib/host/sweep-result.ts';
import { keepFirstFailure } from '#lib/observe/first-failure.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { parseDiskId, parseRunId, parseVmId } from '#lib/units.ts';
import { readVault } from '#lib/vault/vault-document.ts';
import { GOLDEN_DISK } from '../../format/golden-vault.ts';
import type { FuzzTarget } from '../target.ts';

const DISK = parseDiskId(GOLDEN_DISK);
const VM = parseVmId(GOLDEN_DISK);
const RUN = parseRunId('0123456789abcdef');
const SHA = 'ab'.repeat(32);
const TIME = '2026-01-05T12:00:00.000Z';
const FULL = { because: 'first-backup', cure: 'Nothing to do.' };
const MANIFEST = { key: 'disks/a/manifests/b', bytes: 100, headerSha256: SHA };

/** A body with the digest that fits it, so that mutations get past the digest. */
export function withDigest(body: Buffer): Buffer {
  const open = body.at(-1) === 0x7d ? body.subarray(0, -1) : body;
  return Buffer.concat([open, Buffer.from(`,"digest":"${hash('sha256', open, 'hex')}"}\n`)]);
}

const holding = (bytes: Buffer) => ({ get: () => Promise.resolve(bytes) }) as unknown as ObjectStore;

/** Holds these bytes under whatever key, and has no room for others. */
const refusing = (bytes: Buffer) =>
  ({
    get: () => Promise.resolve(bytes),
    putIfAbsent: () => Promise.resolve('exists'),
    delete: () => Promise.resolve(),
    async *list(prefix: string) {
      yield { key: `${prefix}0.json`, bytes: bytes.length, lastModified: new Date(TIME) };
    },
  }) as unknown as ObjectStore;

/** One slot is taken, and somebody is in line, as these bytes say. */
async function slotsBeside(bytes: Buffer): Promise<void> {
  const executions = { isRunning: () => Promise.resolve(true) };
  const ports = { store: refusing(bytes), executions, signal: new AbortController().signal };
  const taken = await takeSlots(ports, { pool: 'lab', holder: 'other', wanted: 2, since: new Date(TIME) });
  if (taken !== 0) throw new Error(`${taken} slots of a store that gives none`);
}

interface DocumentKind {
  readonly name: string;
  readonly example: object;
  read(bytes: Buffer): unknown;
}

function documentTarget({ name, example, read }: DocumentKind): FuzzTarget {
  return {
    name,
    from: 'vault',
    isJson: true,
    dictionary: ['"version":1', '"requires":["x"]', 'null', '1e999', '-1', '"digest":', '[[[['],
    seeds: () => [Buffer.from(JSON.stringify({ ...HEAD, ...example }))],
    async parse(input) {
      await read(withDigest(input));
      return 'read';
    },
  };
}

const snapshotted = {
  step: 'compared',
  snapshot: DISK,
  snapshotTime: TIME,
  diskBytes: 1,
  changedBlocks: true,
  plannedGrains: 1,
  full: FULL,
};
const runDisk = {
  disk: DISK,
  name: 'a',
  device: '0',
  bootable: true,
  sr: 's',
  trackedBefore: true,
  progress: snapshotted,
};
const planDisk = {
  disk: DISK,
  name: 'a',
  device: '0',
  bootable: true,
  diskBytes: 65_536,
  snapshot: DISK,
  snapshotTime: TIME,
  sr: 's',
  changedBlocks: true,
  kind: 'incremental',
  base: { seq: 1, entrySha256: SHA, manifest: MANIFEST },
  plannedGrains: 1,
  rewrites: ['0'.repeat(32)],
};
const pointDisk = {
  disk: DISK,
  seq: 1,
  name: 'a',
  device: '0',
  bootable: true,
  diskBytes: 1,
  kind: 'full',
  full: FULL,
  plannedBytes: 1,
  dataGrains: 1,
  zeroGrains: 0,
  unchangedGrains: 0,
  storedBytes: 1,
};
const pack = { pack: '0'.repeat(32), bytes: 1, crc32: 1, frames: 1, indexBytes: 1, indexSha256: SHA };
const tls = { kind: 'tls', certificatePem: 'PEM', subject: 's' };
const run = { run: RUN, vm: VM, vmName: 'web', pool: 'lab', execution: 'arn', started: TIME };

const DOCUMENTS: readonly DocumentKind[] = [
  {
    name: 'ledger-entry',
    example: { disk: DISK, seq: 2, run: RUN, time: TIME, manifest: MANIFEST, previousSha256: SHA },
    read: (bytes) => parseDocument(ledgerEntry, bytes, 'x'),
  },
  {
    name: 'run-plan',
    example: { ...run, readers: 4, disks: [planDisk] },
    read: (bytes) => parseDocument(runPlan, bytes, 'x'),
  },
  {
    name: 'vm-point',
    example: {
      ...run,
      time: TIME,
      finished: TIME,
      disks: [pointDisk],
      measured: { nbdBytes: 1, nbdRequests: 1, readerMs: 1, hostChecks: ['certificate'] },
    },
    read: (bytes) => parseDocument(vmPoint, bytes, 'x'),
  },
  {
    name: 'receipt',
    example: {
      run: RUN,
      disk: DISK,
      shard: 0,
      part: 0,
      firstGrain: 0,
      endGrain: 8,
      data: 1,
      zero: 1,
      unchanged: 1,
      outcomes: 'JA==',
      pack,
      measured: { nbdBytes: 1, nbdRequests: 1, durationMs: 1 },
    },
    read(bytes) {
      const document = parseDocument(receipt, bytes, 'x');
      return Outcomes.of(document, 'x').tally();
    },
  },
  {
    name: 'expiry',
    example: { disk: DISK, seq: 1, run: RUN, entrySha256: SHA, time: TIME, because: 'old' },
    read: (bytes) => parseDocument(expiry, bytes, 'x'),
  },
  {
    name: 'verification',
    example: {
      disk: DISK,
      level: 2,
      time: TIME,
      head: { seq: 1, sha256: SHA },
      scope: { points: [1], packs: 1, readBytes: 1, share: { part: 0, of: 3 } },
      findings: [],
    },
    read: (bytes) => parseDocument(verification, bytes, 'x'),
  },
  {
    name: 'damage',
    example: { disk: DISK, run: RUN, pack: '0'.repeat(32), time: TIME, what: 'bits' },
    read: (bytes) => parseDocument(damage, bytes, 'x'),
  },
  {
    name: 'run-record',
    example: {
      ...run,
      state: 'ready',
      disks: [runDisk],
      skipped: [],
      created: [],
      removed: [],
      stays: [{ what: 'a', why: 'b' }],
      left: [],
      releasingSince: TIME,
    },
    read: (bytes) => readRunRecord(holding(bytes), RUN),
  },
  { name: 'lease', example: { holder: 'arn', since: TIME }, read: (bytes) => readLeaseHolder(holding(bytes), VM) },
  {
    name: 'connection',
    example: {
      run: RUN,
      execution: 'arn',
      pool: 'lab',
      session: 's',
      disks: [{ disk: DISK, exports: [{ address: '192.0.2.1', port: 10809, exportName: 'x', security: tls }] }],
    },
    async read(bytes) {
      await readConnection(holding(bytes), RUN);
      await certificateDaysLeft(holding(bytes), RUN, new Date(TIME));
    },
  },
  { name: 'reader-slot', example: { holder: 'arn', since: TIME, wanted: 1 }, read: slotsBeside },
  {
    name: 'kept-failure',
    example: { error: 'HostBusy', cause: 'all connections are taken' },
    read: (bytes) => keepFirstFailure(refusing(bytes), RUN, { error: 'a', cause: 'b' }),
  },
  {
    name: 'sweep-result',
    example: { time: TIME, removed: ['a'], left: [{ what: 'a', why: 'b' }], spared: [] },
    read: (bytes) => readSweepResult(holding(bytes)),
  },
  {
    name: 'pool-inventory',
    example: {
      pool: 'lab',
      time: TIME,
      vms: [{ uuid: VM, name: 'web', tags: ['a'], disks: [{ uuid: DISK, name: 'root', allocatedBytes: 1 }] }],
    },
    read: (bytes) => parseDocument(poolInventory, bytes, 'x'),
  },
  {
    name: 'call-record',
    example: { run: RUN, step: 'commit-point', answered: true, gbSeconds: 0.5 },
    read: (bytes) => readCallRecords(refusing(bytes), RUN, 'after-point'),
  },
  {
    name: 'point-closing',
    example: { run: RUN, vm: VM, time: TIME, calls: 3, gbSeconds: 0.5, transitions: 9 },
    read: (bytes) => parseDocument(pointClosing, bytes, 'x'),
  },
  {
    name: 'signature',
    example: { disk: DISK, seq: 1, entrySha256: SHA, key: 'arn', algorithm: 'ECDSA_SHA_256', signature: 'MEUCIQ==' },
    read: (bytes) => parseDocument(signature, bytes, 'x'),
  },
  {
    name: 'vault-document',
    example: { vault: '0123456789abcdef', created: TIME },
    read: (bytes) => readVault(holding(bytes)),
  },
];

export const DOCUMENT_TARGETS: readonly FuzzTarget[] = DOCUMENTS.map(documentTarget);
