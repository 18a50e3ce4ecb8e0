import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';

const cli = new URL('../../sim/cli.ts', import.meta.url).pathname;

function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function firstLine(child: ChildProcess): Promise<string> {
  const lines = createInterface({ input: child.stdout! });
  const [line] = await once(lines, 'line');
  return line;
}

test('the command serves a raw image, describes itself in one line of JSON, and takes writes from outside', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sim-cli-'));
  const disk = join(folder, 'disk.raw');
  await writeFile(disk, Buffer.alloc(1_048_576, 1));
  const server = start('--json', '--fast', '--disk', disk);
  try {
    const { url, username, password, fingerprint, vms } = JSON.parse(await firstLine(server));
    assert.match(url, /^https:\/\/127\.0\.0\.1:\d+$/);
    assert.equal(username, 'root');
    assert.match(fingerprint, /^[0-9a-f]{64}$/);
    assert.deepEqual([vms.length, vms[0].name, vms[0].vdis.length], [1, 'disk.raw', 1]);
    const image = join(folder, 'second.raw');
    await writeFile(image, Buffer.alloc(1_048_576, 2));
    const access = ['--url', url, '--password', password, '--vdi', vms[0].vdis[0]];
    assert.equal(await firstLine(start('write', ...access, '--offset', '512', '--random', '1000')), '{"bytes":1000}');
    assert.equal(await firstLine(start('write', ...access, '--image', image)), '{"blocks":16}');
  } finally {
    server.kill('SIGTERM');
    const [code] = await once(server, 'exit');
    assert.equal(code, 0);
    await rm(folder, { recursive: true });
  }
});
