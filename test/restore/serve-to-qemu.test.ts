import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { NbdServer } from '#lib/nbd-server/server.ts';
import { VaultExport } from '#lib/restore/vault-export.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import { memoryStore } from '../fakes/memory-store.ts';
import { VaultDisk } from '../fakes/vault-disk.ts';

const run = promisify(execFile);
const GRAIN = 65_536;
/** Half a minute: qemu-nbd listens within a second on a machine that is not overloaded. */
const SOCKET_POLLS = 300;

const folder = await mkdtemp(join(tmpdir(), 'serve-to-qemu-'));
after(() => rm(folder, { recursive: true, force: true }));

const image = Buffer.alloc(64 * GRAIN);
const { store } = memoryStore();
const disk = new VaultDisk(store, image.length);
const changes = new Map([0, 1, 2, 20, 40, 63].map((grain) => [grain, randomBytes(GRAIN)] as const));
for (const [grain, content] of changes) content.copy(image, grain * GRAIN);
const seq = await disk.addPoint(changes);

async function serve(): Promise<NbdServer> {
  const content = await DiskContent.open(store, { disk: disk.disk, seq });
  const served = new VaultExport(content, { name: '0', description: 'root', cacheBytes: 16 * GRAIN });
  return NbdServer.start({ disks: [served], listen: { host: '127.0.0.1', port: 0 } });
}

test('qemu-nbd takes the served disk and passes it on to clients of its own', async () => {
  await using server = await serve();
  const socket = join(folder, 'qemu-nbd');
  const child = spawn('qemu-nbd', ['--read-only', '--format=raw', '--socket', socket, `${server.uri}/0`]);
  const ended = once(child, 'exit');
  try {
    for (let poll = 0; poll < SOCKET_POLLS && !existsSync(socket); poll++) await sleep(100);
    const copy = join(folder, 'passed-on.raw');
    await run('nbdcopy', ['--connections=1', `nbd+unix:///?socket=${socket}`, copy]);
    assert.ok((await readFile(copy)).equals(image));
  } finally {
    child.kill();
    await ended;
  }
});

test('qemu-io reads what the disk holds and is refused a write', async () => {
  await using server = await serve();
  const commands = ['-c', `read -P 0 ${3 * GRAIN} ${17 * GRAIN}`];
  const { stdout } = await run('qemu-io', ['-r', '-f', 'raw', ...commands, `${server.uri}/0`]);
  assert.match(stdout, /read 1114112\/1114112 bytes/);
  assert.doesNotMatch(stdout, /Pattern verification failed/);
  await assert.rejects(run('qemu-io', ['-f', 'raw', '-c', `write 0 ${GRAIN}`, `${server.uri}/0`]));
});
