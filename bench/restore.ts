/**
 * `npm run bench:restore [-- MiB]`: a restore to a sparse raw file beside parallel ranged GETs of the same objects, thrown
 * away, from the same server in the same run; then nbdcopy from the vault beside nbdcopy from nbdkit on the raw file.
 *
 * The server is a process of its own and takes a processor: on two of them all three share. The CPU time of the thread
 * that fetches says what a machine with more would do, and does not change with the load of this one.
 */

import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { NbdServer } from '#lib/nbd-server/server.ts';
import { restoreRawFile } from '#lib/restore/restore-to-path.ts';
import { UnpackingThreads } from '#lib/restore/unpacking-threads.ts';
import { VaultExport } from '#lib/restore/vault-export.ts';
import { Secret } from '#lib/secret.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { s3Store } from '#lib/store/s3.ts';
import { GRAIN_BYTES, MIB } from '#lib/units.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { VaultDisk } from '../test/fakes/vault-disk.ts';

const ROUNDS = 5;
const GETS_AT_ONCE = 12;
const GET_BYTES = 8 * MIB;
/** Grains of one point, and so of one pack. */
const PACK_GRAINS = 1024;

const run = promisify(execFile);
const grains = (Number(process.argv[2] ?? 512) * MIB) / GRAIN_BYTES;
const folder = await mkdtemp(join(tmpdir(), 'bench-restore-'));
const s3 = spawn(process.execPath, [
  join(import.meta.dirname, '../local/s3/cli.ts'),
  ...['--dir', join(folder, 's3'), '--port', '0', '--bucket', 'bench'],
]);
try {
  const settings = new Map<string, string>();
  while (settings.size < 4) {
    const [lines] = await once(s3.stdout, 'data');
    for (const line of String(lines).trim().split('\n'))
      settings.set(line.split('=')[0] ?? '', line.split('=')[1] ?? '');
  }
  const setting = (name: string) => settings.get(name) ?? '';
  using store = s3Store({
    bucket: 'bench',
    endpoint: setting('AWS_ENDPOINT_URL_S3'),
    credentials: {
      accessKeyId: setting('AWS_ACCESS_KEY_ID'),
      secretAccessKey: new Secret(setting('AWS_SECRET_ACCESS_KEY')),
    },
  });
  for (const [title, noiseBytes] of [
    ['noise', GRAIN_BYTES],
    ['content that compresses to 40 %', Math.floor(GRAIN_BYTES * 0.4)],
  ] as const) {
    const { content, threads } = await writeDisk(store, noiseBytes);
    await using _ = threads;
    await compare(title, store, content);
  }
} finally {
  s3.kill();
  await once(s3, 'exit');
  await rm(folder, { recursive: true });
}

async function writeDisk(target: ObjectStore, noiseBytes: number) {
  const disk = new VaultDisk(target, grains * GRAIN_BYTES);
  let seq = 0;
  for (let first = 0; first < grains; first += PACK_GRAINS) {
    const changes = new Map<number, Buffer>();
    for (let grain = first; grain < Math.min(grains, first + PACK_GRAINS); grain++) {
      changes.set(grain, Buffer.concat([randomBytes(noiseBytes), Buffer.alloc(GRAIN_BYTES - noiseBytes, 'text ')]));
    }
    seq = await disk.addPoint(changes);
  }
  const threads = new UnpackingThreads(Math.max(1, Math.min(4, availableParallelism() - 1)));
  return { threads, content: await DiskContent.open(target, { disk: disk.disk, seq }, threads) };
}

interface Measured {
  readonly ms: number;
  readonly fetchingCpuMs: number;
}

async function measured(work: () => Promise<unknown>): Promise<Measured> {
  const cpu = process.threadCpuUsage();
  const startedMs = performance.now();
  await work();
  const { user, system } = process.threadCpuUsage(cpu);
  return { ms: performance.now() - startedMs, fetchingCpuMs: (user + system) / 1000 };
}

async function compare(title: string, target: ObjectStore, content: DiskContent): Promise<void> {
  const plain: Measured[] = [];
  const restored: Measured[] = [];
  const served: Measured[] = [];
  const nbdkit: Measured[] = [];
  const path = join(folder, 'restored.raw');
  let fetchedBytes = 0;
  for (let round = 0; round < ROUNDS; round++) {
    plain.push(await measured(async () => (fetchedBytes = await download(target, content))));
    await rm(path, { force: true });
    restored.push(await measured(() => restoreRawFile(content, path)));
    const vault = new VaultExport(content, { name: '0', description: '', cacheBytes: 64 * MIB });
    await using server = await NbdServer.start({ disks: [vault], listen: { host: '127.0.0.1', port: 0 } });
    served.push(await measured(() => run('nbdcopy', [`${server.uri}/0`, 'null:'])));
    const peer = ['-U', '-', 'file', path, '--run', 'nbdcopy "$uri" null:'];
    nbdkit.push(await measured(() => run('nbdkit', peer)));
  }
  const rate = (bytes: number, runs: readonly Measured[]) => bytes / MIB / (median(runs, 'ms') / 1000);
  const download_ = rate(fetchedBytes, plain);
  const restore = rate(fetchedBytes, restored);
  const cpu = median(plain, 'fetchingCpuMs') / median(restored, 'fetchingCpuMs');
  console.log(
    `${title}: plain download ${download_.toFixed(0)} MiB/s, restore ${restore.toFixed(0)} MiB/s of the same bytes ` +
      `(${rate(content.dataBytes, restored).toFixed(0)} of disk): ${(restore / download_).toFixed(2)} x; ` +
      `by the CPU of the fetching thread ${cpu.toFixed(2)} x`,
  );
  const nbd = rate(content.dataBytes, served);
  const peer = rate(content.dataBytes, nbdkit);
  console.log(
    `${title}: nbdcopy from the vault ${nbd.toFixed(0)} MiB/s, from nbdkit ${peer.toFixed(0)}: ${(nbd / peer).toFixed(2)} x`,
  );
}

/** All packs of the disk in parallel ranged GETs; answers with their bytes. */
async function download(target: ObjectStore, content: DiskContent): Promise<number> {
  const ranges: { key: string; start: number; end: number }[] = [];
  let bytes = 0;
  for await (const pack of target.list(`disks/${content.disk}/packs/`)) {
    bytes += pack.bytes;
    for (let start = 0; start < pack.bytes; start += GET_BYTES) {
      ranges.push({ key: pack.key, start, end: Math.min(pack.bytes, start + GET_BYTES) });
    }
  }
  const next = ranges.values();
  const worker = async () => {
    for (const { key, ...range } of next) await target.get(key, { range });
  };
  await Promise.all(Array.from({ length: GETS_AT_ONCE }, worker));
  return bytes;
}

function median(runs: readonly Measured[], field: keyof Measured): number {
  const sorted = runs.map((measurement) => measurement[field]).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
