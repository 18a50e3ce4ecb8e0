import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, open, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { vaultKeys } from '#lib/format/keys.ts';
import { CommandVault } from '../servers/command-vault.ts';

const GRAIN = 65_536;
const MIB = 1_048_576;

let folder: string;
let image: Buffer;
let vault: CommandVault;

/** Does not compress, so that it lies in a pack as it is and a test can find its bytes there. */
const noise = randomBytes(3 * MIB);

/** A partitioned disk of 96 MiB: an MBR, an ext4 and an NTFS partition with files in them, noise behind them. */
async function partitionedImage(): Promise<Buffer> {
  const bytes = Buffer.alloc(96 * MIB);
  (await ext4Partition()).copy(bytes, MIB);
  (await ntfsPartition()).copy(bytes, 34 * MIB);
  randomBytes(38 * MIB).copy(bytes, 42 * MIB);
  for (const [entry, type, firstMib, mib] of [
    [446, 0x83, 1, 32],
    [462, 0x07, 34, 8],
  ] as const) {
    bytes.writeUInt8(type, entry + 4);
    bytes.writeUInt32LE((firstMib * MIB) / 512, entry + 8);
    bytes.writeUInt32LE((mib * MIB) / 512, entry + 12);
  }
  bytes.writeUInt16BE(0x55aa, 510);
  return bytes;
}

async function ext4Partition(): Promise<Buffer> {
  const tree = join(folder, 'tree');
  await mkdir(join(tree, 'etc'), { recursive: true });
  await writeFile(join(tree, 'etc/hostname'), 'web-1\n');
  await writeFile(join(tree, 'large.bin'), noise);
  const partition = join(folder, 'partition.ext4');
  await writeFile(partition, '');
  await truncate(partition, 32 * MIB);
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', tree, partition]);
  return readFile(partition);
}

/** Marked as in use, as the disk of a running Windows is. */
async function ntfsPartition(): Promise<Buffer> {
  const partition = join(folder, 'partition.ntfs');
  await writeFile(partition, '');
  await truncate(partition, 8 * MIB);
  execFileSync('mkntfs', ['--force', '--quick', '--quiet', partition], { stdio: 'pipe' });
  const mounted = join(folder, 'ntfs');
  await mkdir(mounted);
  execFileSync('ntfs-3g', [partition, mounted]);
  try {
    await mkdir(join(mounted, 'Users/Jürgen Weiß'), { recursive: true });
    await writeFile(join(mounted, 'Users/Jürgen Weiß/notes.txt'), 'Blockferry\r\n');
    await writeFile(join(mounted, 'large.bin'), noise);
  } finally {
    execFileSync('umount', [mounted]);
  }
  execFileSync('ntfsfix', [partition], { stdio: 'pipe' });
  return readFile(partition);
}

before(async () => {
  vault = await CommandVault.start();
  folder = vault.folder;
  image = await partitionedImage();
  await vault.addPoint(image);
});
after(() => vault[Symbol.asyncDispose]());

const blockferry = (...words: string[]) => vault.blockferry(...words);

test('list and show tell the points, their sizes and why a disk was read in full', async () => {
  const listed = await blockferry('list');
  assert.match(listed.stdout, /web-1 +20261121T101112Z-0123456789abcdef .* full: first-backup/);
  const shown = await blockferry('show', '20261121', '--vm', 'web-1');
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, /finished after 1 min 20 s/);
  assert.match(shown.stdout, /^Host +proved itself by the public key that its API names, with a renewed certificate$/m);
  assert.match(shown.stdout, /0 +root +96\.0 MiB .* full: first-backup/);
});

test('list says how closely each point was verified, as text and as JSON', async () => {
  assert.match((await blockferry('list')).stdout, /VERIFIED [\s\S]* first-backup +at commit/);
  const verify = await blockferry('verify', '--level', '1');
  assert.equal(verify.code, 0, verify.stderr);
  assert.match((await blockferry('list')).stdout, / first-backup +level 1 at \d{4}-/);
  const [point] = JSON.parse((await blockferry('list', '--json')).stdout);
  assert.equal(point.verified.level, 1);
  assert.equal(point.verified.findings, 0);
});

test('a partitioned disk restores byte for byte, and a second restore to the same file is refused', async () => {
  const to = join(folder, 'restored.raw');
  const { code, stdout, stderr } = await blockferry('restore', 'latest', '--to', to);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /restored disk .* 96\.0 MiB, .* of it data/);
  assert.ok((await readFile(to)).equals(image));
  const again = await blockferry('restore', 'latest', '--to', to);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /TargetUnusable: .* exists already/);
});

test('a VHD is the disk to qemu', async () => {
  const to = join(folder, 'restored.vhd');
  const { code, stderr } = await blockferry('restore', 'latest', '--to', to, '--format', 'vhd', '--read-back');
  assert.equal(code, 0, stderr);
  const raw = join(folder, 'source.raw');
  await writeFile(raw, image);
  const compared = execFileSync('qemu-img', ['compare', '-f', 'raw', '-F', 'vpc', raw, to]).toString();
  assert.match(compared, /Images are identical/);
});

test('serve offers the disk to standard tools until it is interrupted', async () => {
  const socket = join(folder, 'nbd');
  const child = vault.begin('serve', 'latest', '--socket', socket);
  const [line] = await once(child.stdout, 'data');
  const uri = String(line).split(' ')[0] ?? '';
  const copy = join(folder, 'served.raw');
  await promisify(execFile)('nbdcopy', [uri, copy]);
  assert.ok((await readFile(copy)).equals(image));
  child.kill('SIGINT');
  const [code] = await once(child, 'exit');
  assert.equal(code, 0);
});

test('serve --json names the exports as one JSON array', async () => {
  const child = vault.begin('serve', 'latest', '--json', '--listen', '127.0.0.1:0');
  const [line] = await once(child.stdout, 'data');
  child.kill('SIGINT');
  await once(child, 'exit');
  const exports = JSON.parse(String(line)) as { uri: string; description: string }[];
  assert.equal(exports.length, 1);
  assert.match(exports[0]?.uri ?? '', /^nbd:\/\/127\.0\.0\.1:\d+\/0$/);
  assert.match(exports[0]?.description ?? '', /root/);
});

test('a directory of an ext4 partition is listed and one file extracted without a restore', async () => {
  const listed = await blockferry('files', 'latest', '/etc', '--partition', '1');
  assert.match(listed.stdout, /hostname/, listed.stderr);
  const to = join(folder, 'hostname');
  const extracted = await blockferry('files', 'latest', '/etc/hostname', '--partition', '1', '--to', to);
  assert.equal(extracted.code, 0, extracted.stderr);
  assert.equal(await readFile(to, 'utf8'), 'web-1\n');
  const large = join(folder, 'large');
  await blockferry('files', 'latest', '/large.bin', '--partition', '1', '--to', large);
  assert.ok((await readFile(large)).equals(noise));
  const asJson = await blockferry('files', 'latest', '/etc', '--partition', '1', '--json');
  const { entries } = JSON.parse(asJson.stdout) as { entries: { name: string }[] };
  const hostname = entries.find(({ name }) => name === 'hostname');
  assert.partialDeepStrictEqual(hostname, { mode: '100644', bytes: 6 });
  assert.ok(entries.some(({ name }) => name === '..'));
  const missing = await blockferry('files', 'latest', '/no/such', '--partition', '1', '--to', join(folder, 'none'));
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /FilesUnavailable/);
});

test('a directory of an NTFS partition in use is listed and its files extracted without a restore', async () => {
  const directory = '/Users/Jürgen Weiß';
  const listed = await blockferry('files', 'latest', directory, '--partition', '2', '--json');
  const { entries } = JSON.parse(listed.stdout) as { entries: { name: string }[] };
  const notes = entries.find(({ name }) => name === 'notes.txt');
  assert.partialDeepStrictEqual(notes, { directory: false, bytes: 12 });
  const to = join(folder, 'notes.txt');
  const extracted = await blockferry('files', 'latest', `${directory}/notes.txt`, '--partition', '2', '--to', to);
  assert.equal(extracted.code, 0, extracted.stderr);
  assert.equal(await readFile(to, 'utf8'), 'Blockferry\r\n');
});

test('asked for files of a partitioned disk without a partition, the command names the partitions', async () => {
  const { code, stderr } = await blockferry('files', 'latest', '/');
  assert.equal(code, 2);
  assert.match(stderr, /partitioned; say which one by --partition: 1 \(32\.0 MiB\), 2 \(8\.00? MiB\)/);
});

for (const [partition, fileSystem] of [
  ['1', 'ext4'],
  ['2', 'NTFS'],
] as const) {
  test(`a file of ${fileSystem} that the vault has damaged is not extracted in part, and the bytes are named`, async () => {
    const whole = join(folder, `whole-${partition}.bin`);
    const extract = (to: string) => blockferry('files', 'latest', '/large.bin', '--partition', partition, '--to', to);
    assert.equal((await extract(whole)).code, 0);
    assert.ok((await readFile(whole)).equals(noise));
    const at = image.indexOf(noise.subarray(2 * MIB, 2 * MIB + 64), Number(partition) === 1 ? MIB : 34 * MIB);
    await flipped(image.subarray(at, at + 64), async () => {
      const to = join(folder, `half-${partition}.bin`);
      const { code, stderr } = await extract(to);
      assert.equal(code, 3, stderr);
      const [, first, last] = /damaged within bytes .*?(\d+)-(\d+)/.exec(stderr) ?? [];
      assert.ok(Number(first) <= at + 4 * GRAIN && at <= Number(last) + 4 * GRAIN, `${at}: ${stderr}`);
      await assert.rejects(stat(to), { code: 'ENOENT' });
      await assert.rejects(stat(`${to}.partial`), { code: 'ENOENT' });
    });
  });
}

/** The vault's packs with one bit of these bytes wrong, wherever they lie, until `work` is done. */
async function flipped(bytes: Buffer, work: () => Promise<void>): Promise<void> {
  const { store, disk } = vault;
  for await (const { key } of store.list(vaultKeys.packs(disk.disk))) {
    const body = await store.get(key);
    const sound = Buffer.from(body);
    for (let at = body.indexOf(bytes); at >= 0; at = body.indexOf(bytes, at + 1)) body[at] = (body[at] ?? 0) ^ 1;
    await store.put(key, body);
    try {
      await work();
    } finally {
      await store.put(key, sound);
    }
  }
}

test('damage ends with exit code 3 and names the bytes; asked to go on, all else is in the partial file', async () => {
  const to = join(folder, 'damaged.raw');
  const { store, disk } = vault;
  for await (const { key } of store.list(vaultKeys.packs(disk.disk))) {
    const body = await store.get(key);
    body[body.length - 4 * MIB] = (body[body.length - 4 * MIB] ?? 0) ^ 1;
    await store.put(key, body);
  }
  const { code, stderr } = await blockferry('restore', 'latest', '--to', to, '--keep-going');
  assert.equal(code, 3, stderr);
  const [, first, last] = /bytes (\d+)-(\d+)/.exec(stderr) ?? [];
  const start = Number(first);
  await using partial = await open(`${to}.partial`);
  const bytes = await partial.readFile();
  const expected = Buffer.from(image);
  expected.fill(0, start, Number(last) + 1);
  assert.ok(bytes.equals(expected));
  assert.ok(Number(last) + 1 - start <= 4 * GRAIN);
});
