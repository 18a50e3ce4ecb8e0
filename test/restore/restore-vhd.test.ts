import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { restoreRawFile, restoreVhdFile } from '#lib/restore/restore-to-path.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { memoryStore } from '../fakes/memory-store.ts';
import { VaultDisk } from '../fakes/vault-disk.ts';

const GRAIN = 65_536;
const GIB = 1_073_741_824;

const folder = await mkdtemp(join(tmpdir(), 'restore-vhd-'));
after(() => rm(folder, { recursive: true, force: true }));

async function contentWith(diskBytes: number, grains: readonly number[]): Promise<DiskContent> {
  const { store } = memoryStore();
  const disk = new VaultDisk(store, diskBytes);
  const changes = new Map(
    grains.map((grain) => [grain, randomBytes(Math.min(GRAIN, diskBytes - grain * GRAIN))] as const),
  );
  return DiskContent.open(store, { disk: disk.disk, seq: await disk.addPoint(changes) });
}

const vhdInfo = (path: string) => execFileSync('vhdiinfo', [path]).toString();

for (const [what, diskBytes, grains] of [
  ['of whole 2 MiB blocks', 64 * 1_048_576, [0, 1, 2, 33, 500, 1023]],
  ['whose size is no multiple of a block or of a cylinder', 64 * 1_048_576 + 5 * 512, [0, 700, 1024]],
  ['of 200 GiB, mostly holes', 200 * GIB, [0, 31, 32, 1_000_000, 200 * 16_384 - 1]],
  ['without data', 10 * 1_048_576, []],
] as const) {
  test(`a VHD of a disk ${what} is the disk to qemu and has its size to libvhdi`, async () => {
    const content = await contentWith(diskBytes, grains);
    const raw = join(folder, `${diskBytes}.raw`);
    const vhd = join(folder, `${diskBytes}.vhd`);
    await restoreRawFile(content, raw);
    await restoreVhdFile(content, vhd, { readBack: true });
    const compared = execFileSync('qemu-img', ['compare', '-f', 'raw', '-F', 'vpc', raw, vhd]).toString();
    assert.match(compared, /Images are identical/);
    const info = JSON.parse(execFileSync('qemu-img', ['info', '--output=json', '-f', 'vpc', vhd]).toString());
    assert.equal(info['virtual-size'], diskBytes);
    assert.match(vhdInfo(vhd), new RegExp(`Media size.*\\b${diskBytes} bytes`));
    assert.ok((await stat(vhd)).size < 3 * 1_048_576 * (grains.length + 1), 'holes take no place');
  });
}

test('libvhdi reads the same bytes from a VHD as the disk holds', { skip: !existsSync('/dev/fuse') }, async () => {
  const content = await contentWith(20 * 1_048_576 + 512, [0, 5, 40, 319]);
  const raw = join(folder, 'libvhdi.raw');
  const vhd = join(folder, 'libvhdi.vhd');
  await restoreRawFile(content, raw);
  await restoreVhdFile(content, vhd);
  const mountPoint = join(folder, 'mounted');
  await mkdir(mountPoint);
  // Verbose keeps it in the foreground, so that its end can be waited for.
  const mount = spawn('vhdimount', ['-v', vhd, mountPoint], { stdio: 'ignore' });
  try {
    const mounted = join(mountPoint, 'vhdi1');
    for (let poll = 0; poll < 100 && !existsSync(mounted); poll++) await delay(50);
    assert.ok((await readFile(mounted)).equals(await readFile(raw)));
  } finally {
    const ended = once(mount, 'exit');
    execFileSync('umount', [mountPoint]);
    await ended;
  }
});

test('a disk of more than 2040 GiB is refused as VHD before a file is made', async () => {
  const content = await contentWith(2041 * GIB, [0]);
  const path = join(folder, 'large.vhd');
  await assert.rejects(restoreVhdFile(content, path), { name: 'TooLargeForVhd' });
  await assert.rejects(stat(`${path}.partial`), { code: 'ENOENT' });
});
