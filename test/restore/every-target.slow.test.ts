/** Every kind of disk into every kind of target, each compared with its source by a path of its own. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { vaultKeys } from '#lib/format/keys.ts';
import { NbdServer } from '#lib/nbd-server/server.ts';
import { finishRestore } from '#lib/restore/finish-restore.ts';
import type { HostAccess } from '#lib/restore/host-transfer.ts';
import { planRestore } from '#lib/restore/plan-restore.ts';
import { restoreToHost } from '#lib/restore/restore-to-host.ts';
import { restoreRawFile, restoreVhdFile } from '#lib/restore/restore-to-path.ts';
import { VaultExport } from '#lib/restore/vault-export.ts';
import { verifyRange } from '#lib/restore/verify-range.ts';
import { writeRange } from '#lib/restore/write-range.ts';
import { GIB, MIB } from '#lib/units.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { letGo } from '#lib/vault/expiries.ts';
import { accessTo, srOf } from '../fakes/host-access.ts';
import { addLonePoint } from '../fakes/lone-point.ts';
import { LoneSite } from '../fakes/lone-site.ts';
import { seededRandom } from '../fakes/random.ts';
import { VaultDisk } from '../fakes/vault-disk.ts';
import { RawClient } from '../nbd-server/raw-client.ts';

const run = promisify(execFile);
const GRAIN = 65_536;

interface Source {
  readonly disk: VaultDisk;
  readonly seq: number;
  /** Grains with data; everything else is zeros. */
  readonly grains: ReadonlyMap<number, Buffer>;
}

/** Reads what a target has got; beyond the disk's end a target may have zeros of its own. */
interface Restored {
  read(offsetBytes: number, lengthBytes: number): Promise<Buffer>;
  close(): Promise<void>;
}

let site: LoneSite;
let access: HostAccess;
let sr: string;
let folder: string;

before(async () => {
  site = await LoneSite.start();
  access = await accessTo(site.sim);
  sr = await srOf(access);
  folder = await mkdtemp(join(tmpdir(), 'every-target-'));
});
after(async () => {
  await access.session[Symbol.asyncDispose]();
  await site[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

const store = () => site.bucket.store();
const sized = (grain: number, diskBytes: number) => Math.min(GRAIN, diskBytes - grain * GRAIN);

async function onePoint(diskBytes: number, grains: Iterable<number>, fill = randomBytes): Promise<Source> {
  const disk = new VaultDisk(store(), diskBytes);
  const changes = new Map([...grains].map((grain) => [grain, fill(sized(grain, diskBytes))] as const));
  return { disk, seq: await disk.addPoint(changes), grains: changes };
}

/** An MBR with two partitions, content in both, and nothing between them. */
async function partitioned(): Promise<Source> {
  const image = Buffer.alloc(24 * MIB);
  image.writeUInt16BE(0x55aa, 510);
  for (const [no, first, sectors] of [
    [0, 2_048, 16_384],
    [1, 20_480, 28_672],
  ] as const) {
    image.writeUInt8(0x83, 446 + no * 16 + 4);
    image.writeUInt32LE(first, 446 + no * 16 + 8);
    image.writeUInt32LE(sectors, 446 + no * 16 + 12);
    for (const at of [0, 1_080, 3_000_000]) randomBytes(100_000).copy(image, first * 512 + at);
  }
  const grains = new Map<number, Buffer>();
  for (let grain = 0; grain < image.length / GRAIN; grain++) {
    const content = image.subarray(grain * GRAIN, (grain + 1) * GRAIN);
    if (content.some((byte) => byte !== 0)) grains.set(grain, content);
  }
  const disk = new VaultDisk(store(), image.length);
  return { disk, seq: await disk.addPoint(grains), grains };
}

/** 31 points; the one that is asked for is the last. */
async function chain(): Promise<Source> {
  const count = 160;
  const disk = new VaultDisk(store(), count * GRAIN - 512);
  const random = seededRandom(30);
  const grains = new Map<number, Buffer>();
  let seq = 0;
  for (let point = 0; point < 31; point++) {
    const changes = new Map<number, Buffer | null>();
    for (let change = 0; change < (point === 0 ? 120 : 10); change++) {
      const grain = Math.floor(random() * count);
      const content = random() < 0.2 ? null : randomBytes(sized(grain, disk.diskBytes));
      changes.set(grain, content);
      if (content === null) grains.delete(grain);
      else grains.set(grain, content);
    }
    seq = await disk.addPoint(changes);
  }
  return { disk, seq, grains };
}

/** The middle one of three points; both others were let go, with everything that only they needed. */
async function withoutNeighbours(): Promise<Source> {
  const disk = new VaultDisk(store(), 60 * GRAIN);
  const all = new Map(Array.from({ length: 60 }, (_, grain) => [grain, randomBytes(GRAIN)] as const));
  await disk.addPoint(all);
  const second = new Map([3, 4, 50].map((grain) => [grain, randomBytes(GRAIN)] as const));
  const seq = await disk.addPoint(second);
  const replaced = new Map(Array.from({ length: 30 }, (_, grain) => [grain, randomBytes(GRAIN)] as const));
  const last = await disk.addPoint(replaced);
  for (const gone of [1, last]) {
    await letGo(store(), { disk: disk.disk, seq: gone, time: new Date(), because: 'test' });
    for (const { key } of site.objectsUnder(vaultKeys.manifests(disk.disk))) {
      if (key.includes(`/${String(gone).padStart(10, '0')}-`)) await store().delete(key);
    }
  }
  return { disk, seq, grains: new Map([...all, ...second]) };
}

const CASES: readonly { readonly what: string; readonly make: () => Promise<Source> }[] = [
  { what: 'a partitioned disk', make: partitioned },
  { what: 'a disk of an odd size', make: () => onePoint(5 * MIB + 3 * 512, [0, 7, 80]) },
  { what: 'a disk smaller than a grain', make: () => onePoint(4_096, [0]) },
  { what: 'an empty disk', make: () => onePoint(8 * MIB, []) },
  { what: 'the last of a chain of 30 increments', make: chain },
  { what: 'a point whose neighbours were deleted', make: withoutNeighbours },
];

type Target = (source: Source) => Promise<Restored>;

const contentOf = ({ disk, seq }: Source) => DiskContent.open(store(), { disk: disk.disk, seq });

async function fileOf(path: string): Promise<Restored> {
  const file = await open(path);
  return {
    async read(offsetBytes, lengthBytes) {
      const data = Buffer.alloc(lengthBytes);
      await file.read(data, 0, lengthBytes, offsetBytes);
      return data;
    },
    async close() {
      await file.close();
      await rm(path);
    },
  };
}

async function serve(source: Source): Promise<NbdServer> {
  const disk = new VaultExport(await contentOf(source), { name: '0', description: 'disk', cacheBytes: 64 * MIB });
  return NbdServer.start({ disks: [disk], listen: { host: '127.0.0.1', port: 0 } });
}

async function hostDisk(vdi: string): Promise<Restored> {
  const { VDI } = site.sim.world.db;
  return {
    read: (offsetBytes, lengthBytes) => site.sim.read(vdi, offsetBytes, lengthBytes),
    async close() {
      assert.ok(VDI.get(VDI.byUuid(vdi)).name_label.startsWith('root'), 'it has its name');
    },
  };
}

const TARGETS: Readonly<Record<string, Target>> = {
  'a raw file': async (source) => {
    const path = join(folder, randomUUID());
    await restoreRawFile(await contentOf(source), path);
    return fileOf(path);
  },
  'a VHD, read by qemu': async (source) => {
    const vhd = join(folder, randomUUID());
    const raw = `${vhd}.raw`;
    await restoreVhdFile(await contentOf(source), vhd);
    await run('qemu-img', ['convert', '-f', 'vpc', '-O', 'raw', vhd, raw]);
    await rm(vhd);
    return fileOf(raw);
  },
  'an NBD client': async (source) => {
    const server = await serve(source);
    const client = await RawClient.connect(server.uri);
    await client.go('0');
    return {
      async read(offset, length) {
        const { error, data } = await client.request(0, { offset, length });
        assert.equal(error, 0);
        return data;
      },
      async close() {
        client[Symbol.dispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  },
  'a copy by nbdcopy': async (source) => {
    await using server = await serve(source);
    const path = join(folder, randomUUID());
    await run('nbdcopy', [`${server.uri}/0`, path]);
    return fileOf(path);
  },
  'a copy by qemu-img convert': async (source) => {
    await using server = await serve(source);
    const path = join(folder, randomUUID());
    await run('qemu-img', ['convert', '-f', 'raw', '-O', 'raw', `${server.uri}/0`, path]);
    return fileOf(path);
  },
  'a disk of a host': async (source) => {
    const disks = [{ content: await contentOf(source), nameLabel: 'root' }];
    const { vdis } = await restoreToHost(access, { id: randomBytes(8).toString('hex'), sr, disks });
    return hostDisk(vdis[0] ?? '');
  },
  'a disk of a host, by the steps of the workflow': async ({ disk, seq }) => {
    const vm = await addLonePoint(store(), disk, seq);
    const input = {
      execution: randomUUID(),
      request: { point: 'latest', vm, sr, as: 'disks', identity: 'new' },
    } as const;
    const ports = { ...site.ports, store: store() };
    const { disks, point, remarks } = await planRestore(ports, input);
    const compared = [];
    for (const item of disks) {
      for (let done = false; !done; ) ({ done } = await writeRange(ports, item));
      const { comparedBytes } = await verifyRange(ports, item);
      compared.push({ disk: item.disk, comparedBytes });
    }
    const { disks: restored } = await finishRestore(ports, { ...input, vm, point, remarks, disks: compared });
    return hostDisk(restored[0]?.vdi ?? '');
  },
};

/** All bytes of a small disk; of a large one the data, and the grains around it. */
async function compare({ disk, grains }: Source, restored: Restored): Promise<void> {
  const { diskBytes } = disk;
  const count = Math.ceil(diskBytes / GRAIN);
  const looked = new Set(count < 1_000 ? Array.from({ length: count }, (_, grain) => grain) : []);
  for (const grain of count < 1_000 ? [] : grains.keys()) for (const near of [-1, 0, 1]) looked.add(grain + near);
  for (const grain of looked) {
    if (grain < 0 || grain >= count) continue;
    const meant = grains.get(grain) ?? Buffer.alloc(sized(grain, diskBytes));
    const read = await restored.read(grain * GRAIN, meant.length);
    assert.ok(read.equals(meant), `grain ${grain}`);
  }
}

for (const { what, make } of CASES) {
  describe(what, () => {
    let source: Source;
    before(async () => {
      source = await make();
    });
    for (const [target, restore] of Object.entries(TARGETS)) {
      test(`restores byte for byte to ${target}`, async () => {
        const restored = await restore(source);
        try {
          await compare(source, restored);
        } finally {
          await restored.close();
        }
      });
    }
  });
}

describe('a disk of nearly 2 TiB with 1 GiB of data', () => {
  /** The largest that a VHD and a host's disk can have. */
  const DISK_BYTES = 2040 * GIB;
  const GRAINS = GIB / GRAIN;
  /** As much as a block of a VHD, which is the coarsest unit of all targets: none of them has more than the data. */
  const RUN_GRAINS = 32;
  /** Of the 512 runs the first begins with the disk and the last ends with it. */
  const SPREAD_GRAINS = (DISK_BYTES / GRAIN - RUN_GRAINS) / (GRAINS / RUN_GRAINS - 1);
  let source: Source;
  let requests = 0;

  before(async () => {
    const places = Array.from({ length: GRAINS }, (_, i) => {
      const run = Math.floor(i / RUN_GRAINS);
      return Math.floor((run * SPREAD_GRAINS) / RUN_GRAINS) * RUN_GRAINS + (i % RUN_GRAINS);
    });
    let no = 0;
    source = await onePoint(DISK_BYTES, places, (bytes) => {
      const content = Buffer.alloc(bytes, ++no & 0xff);
      content.writeUInt32LE(no, 100);
      return content;
    });
    requests = site.bucket.requests.length;
  });

  for (const [target, restore] of Object.entries(TARGETS)) {
    test(`restores to ${target} with requests for its data and none for its holes`, async (t) => {
      const startedMs = performance.now();
      const restored = await restore(source);
      const tookMs = performance.now() - startedMs;
      try {
        await compare(source, restored);
      } finally {
        await restored.close();
      }
      t.diagnostic(`${Math.round(tookMs)} ms`);
      const asked = site.bucket.requests.length - requests;
      requests += asked;
      // At most one for each grain, as by a client that reads here and there; the holes would be two thousand times as many.
      assert.ok(asked < GRAINS, `${asked} requests`);
    });
  }
});
