import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CommandVault } from '../servers/command-vault.ts';

const SECTOR = 512;
const MIB = 1_048_576;
/** Without KVM the firmware and the boot sector are done within a second or two of a free processor. */
const BOOT_LIMIT_MS = 120_000;

/**
 * A boot sector that reads the sectors of a list through the firmware and sends their bytes to the serial port. At the
 * end of the list, or at a read that failed, it ends the machine by the debug port 0xf4. It runs at 0x7c00.
 */
const BOOT_CODE = [
  '31c0', //       00 xor ax,ax
  '8ed8', //       02 mov ds,ax
  '8ed0', //       04 mov ss,ax
  'bc007c', //     06 mov sp,0x7c00
  '88160006', //   09 mov [0x600],dl      the drive it was started from
  'be507c', //     0d mov si,0x7c50       the list
  '803c10', //     10 cmp byte [si],0x10  an entry begins with its length, 16
  '752f', //       13 jne 44
  '8a160006', //   15 mov dl,[0x600]
  'b442', //       19 mov ah,0x42         extended read
  'cd13', //       1b int 0x13
  '722c', //       1d jc 4b
  '8b4c02', //     1f mov cx,[si+2]       sectors
  'c1e109', //     22 shl cx,9            bytes
  '56', //         25 push si
  '1e', //         26 push ds
  'b80010', //     27 mov ax,0x1000
  '8ed8', //       2a mov ds,ax
  '31f6', //       2c xor si,si
  'bafd03', //     2e mov dx,0x3fd        status of COM1
  'ec', //         31 in al,dx
  'a820', //       32 test al,0x20        ready for a byte
  '74fb', //       34 jz 31
  'ac', //         36 lodsb
  'baf803', //     37 mov dx,0x3f8
  'ee', //         3a out dx,al
  'e2f1', //       3b loop 2e
  '1f', //         3d pop ds
  '5e', //         3e pop si
  '83c610', //     3f add si,16
  'ebcc', //       42 jmp 10
  'b010', //       44 mov al,0x10         all is read
  'baf400', //     46 mov dx,0xf4
  'ee', //         49 out dx,al
  'f4', //         4a hlt
  'b011', //       4b mov al,0x11         a read failed
  'ebf7', //       4d jmp 46
  '90', //         4f nop
].join('');
/** isa-debug-exit ends qemu with twice the byte that was written, plus one. */
const ALL_IS_READ = 2 * 0x10 + 1;

/** Of the list: in a partition, over the end of a grain, in a hole, the last sector. 127 sectors are the most at once. */
const READS = [
  { first: 2_048, count: 2 },
  { first: 9_999, count: 127 },
  { first: 6_000, count: 8 },
  { first: (8 * MIB) / SECTOR - 1, count: 1 },
];

/** 8 MiB that boot: an MBR with the code, data here and there, and nothing from 2 MiB to 4 MiB. */
function bootableDisk(): Buffer {
  const image = Buffer.alloc(8 * MIB);
  randomBytes(MIB).copy(image, MIB);
  randomBytes(4 * MIB).copy(image, 4 * MIB);
  Buffer.from(BOOT_CODE, 'hex').copy(image);
  for (const [index, { first, count }] of READS.entries()) {
    const at = BOOT_CODE.length / 2 + index * 16;
    image.writeUInt16LE(16, at);
    image.writeUInt16LE(count, at + 2);
    image.writeUInt16LE(0x1000, at + 6);
    image.writeUInt32LE(first, at + 8);
  }
  image.writeUInt16BE(0x55aa, 510);
  return image;
}

let vault: CommandVault;
let image: Buffer;
let serving: ChildProcess;
let uri: string;

before(async () => {
  vault = await CommandVault.start();
  image = bootableDisk();
  await vault.addPoint(image);
  const child = vault.begin('serve', 'latest', '--listen', '127.0.0.1:0');
  serving = child;
  const [line] = await once(child.stdout, 'data');
  uri = String(line).split(' ')[0] ?? '';
});
after(async () => {
  serving.kill('SIGINT');
  await once(serving, 'exit');
  await vault[Symbol.asyncDispose]();
});

/** What the machine sent to its serial port, how it ended, and what qemu had to say. */
async function boot(name: string, drive: readonly string[]) {
  const serial = join(vault.folder, name);
  const machine = ['-machine', 'pc,accel=tcg', '-m', '32', '-display', 'none', '-monitor', 'none', '-no-reboot'];
  const ports = ['-nic', 'none', '-serial', `file:${serial}`, '-device', 'isa-debug-exit,iobase=0xf4,iosize=1'];
  const limit = { timeout: BOOT_LIMIT_MS };
  const qemu = spawn('qemu-system-x86_64', [...machine, ...ports, ...drive], limit);
  let said = '';
  qemu.stderr.on('data', (text) => {
    said += String(text);
  });
  const [code] = await once(qemu, 'close');
  return { code, said, sent: await readFile(serial) };
}

const expected = () =>
  Buffer.concat(READS.map(({ first, count }) => image.subarray(first * SECTOR, (first + count) * SECTOR)));

for (const [what, drive] of [
  ['an IDE disk with -snapshot', (from: string) => ['-snapshot', '-drive', `file=${from},format=raw`]],
  ['a virtio disk that is read-only', (from: string) => ['-drive', `file=${from},format=raw,if=virtio,readonly=on`]],
] as const) {
  test(`a machine boots from the served disk as ${what} and reads its sectors`, async () => {
    const { code, said, sent } = await boot(what.replaceAll(' ', '-'), drive(uri));
    assert.equal(code, ALL_IS_READ, said);
    assert.ok(sent.equals(expected()), `${sent.length} bytes: ${sent.subarray(0, 64).toString('hex')}`);
  });
}

test('qemu does not take the disk for writing, and says why', async () => {
  const { code, said } = await boot('writable', ['-drive', `file=${uri},format=raw`]);
  assert.equal(code, 1);
  assert.match(said, /read-only/);
});
