import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const RESTORE = fileURLToPath(new URL('restore-into.ts', import.meta.url));

test('a restore whose disk is full ends by name, leaves no file under its name, and goes on when there is room', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'full-target-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  // A mount namespace of its own: what is mounted in it is gone with the process.
  const { stdout } = await promisify(execFile)('unshare', ['-rm', process.execPath, RESTORE, folder]);
  const { failure, left, equal } = JSON.parse(stdout);
  assert.equal(failure[0], 'TargetUnusable');
  assert.match(failure[1], /disk\.raw\.partial.*(ENOSPC|no space)/i);
  assert.deepEqual(left, ['disk.raw.partial', 'disk.raw.partial.json']);
  assert.equal(equal, true);
});
