/** The command is killed in the middle, for each target; what it leaves is not taken for whole, and it goes on from there. */

import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { open, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { GRAINS_KEY, INCOMPLETE_PREFIX } from '#lib/restore/restore-marks.ts';
import { accessTo, srOf } from '../fakes/host-access.ts';
import { LoneSite } from '../fakes/lone-site.ts';
import { CommandVault } from '../servers/command-vault.ts';

const GRAIN = 65_536;
const MIB = 1_048_576;
/** Requests of pack content after which the command is killed; the noise alone takes six. */
const KILLED_AFTER = 3;

let vault: CommandVault;
let folder: string;
/** More than one piece of 256 MiB, of which the first 48 MiB do not compress. */
let image: Buffer;

before(async () => {
  vault = await CommandVault.start();
  folder = vault.folder;
  image = Buffer.alloc(272 * MIB);
  randomBytes(48 * MIB).copy(image);
  for (let at = 48 * MIB; at < image.length; at += GRAIN) image.fill(`${at} `, at, at + GRAIN);
  await vault.addPoint(image);
});
after(() => vault[Symbol.asyncDispose]());

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  assert.equal(child.signalCode, 'SIGKILL');
}

/** The command, killed while it reads the disk's content. */
async function killInTheMiddle(...words: string[]): Promise<void> {
  const child = vault.begin(...words);
  let reads = 0;
  vault.watch((key) => {
    if (key.endsWith('.zst') && ++reads === KILLED_AFTER) child.kill('SIGKILL');
  });
  await killed(child);
  vault.watch();
}

for (const format of ['raw', 'vhd'] as const) {
  test(`a killed restore to a ${format} file leaves no file of that name, and the same command goes on`, async () => {
    const to = join(folder, `killed.${format}`);
    const words = ['restore', 'latest', '--to', to, '--format', format];
    await killInTheMiddle(...words);
    await assert.rejects(stat(to), { code: 'ENOENT' });
    const { code, stdout, stderr } = await vault.blockferry(...words, '--json');
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(stdout).resumed, true);
    if (format === 'raw') assert.ok((await readFile(to)).equals(image));
    else assert.match(await comparedByQemu(to), /Images are identical/);
  });
}

async function comparedByQemu(vhd: string): Promise<string> {
  const source = join(folder, 'source.raw');
  await writeFile(source, image);
  return execFileSync('qemu-img', ['compare', '-f', 'raw', '-F', 'vpc', source, vhd]).toString();
}

test('a killed restore to a block device leaves zeros at its head, and the same command goes on', async (t) => {
  const file = join(folder, 'device');
  // Another disk's content; its head must be gone from the first moment on.
  await writeFile(file, Buffer.alloc(image.length, 'old '));
  let device: string;
  try {
    device = execFileSync('losetup', ['--find', '--show', file], { stdio: 'pipe' }).toString().trim();
  } catch {
    return t.skip('losetup can make no block device here');
  }
  try {
    await killInTheMiddle('restore', 'latest', '--to', device);
    await using opened = await open(device);
    const { buffer: head } = await opened.read(Buffer.alloc(GRAIN), 0, GRAIN, 0);
    assert.ok(head.equals(Buffer.alloc(GRAIN)), 'the head');
    const { code, stderr } = await vault.blockferry('restore', 'latest', '--to', device);
    assert.equal(code, 0, stderr);
    assert.ok((await readFile(device)).equals(image));
  } finally {
    execFileSync('losetup', ['--detach', device]);
  }
});

test('a killed restore to a pool leaves a disk that says so, and the same command goes on behind what is there', async () => {
  await using site = await LoneSite.start();
  const access = await accessTo(site.sim);
  const sr = await srOf(access);
  await access.session[Symbol.asyncDispose]();
  const { VDI } = site.sim.world.db;
  const known = new Set(VDI.refs());
  const restored = () => VDI.refs().flatMap((ref) => (known.has(ref) ? [] : [VDI.get(ref)]));
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, `${site.sim.credentials.password}\n`);
  const host = ['--to-host', site.sim.url, '--fingerprint', site.sim.fingerprint, '--password-file', passwordFile];
  const words = ['restore', 'latest', ...host, '--sr', sr, '--name', 'back'];

  const child = vault.begin(...words);
  const looking = setInterval(() => {
    if (restored().some(({ other_config }) => Number(other_config[GRAINS_KEY] ?? 0) > 0)) child.kill('SIGKILL');
  }, 5);
  await killed(child);
  clearInterval(looking);
  const [left, ...others] = restored();
  assert.ok(left);
  assert.equal(left.name_label, `${INCOMPLETE_PREFIX}back`);
  assert.equal(others.length, 0);

  const { code, stdout, stderr } = await vault.blockferry(...words, '--json');
  assert.equal(code, 0, stderr);
  const { vdis, doneBytes, writtenBytes } = JSON.parse(stdout);
  assert.deepEqual(vdis, [left.uuid]);
  assert.deepEqual([doneBytes, writtenBytes], [image.length, 16 * MIB], 'the first piece was not sent again');
  assert.deepEqual(
    restored().map(({ name_label }) => name_label),
    ['back'],
  );
  assert.ok((await site.diskBytes(left.uuid)).equals(image));
});
