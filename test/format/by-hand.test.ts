import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { GOLDEN_DISK, GOLDEN_VAULTS, goldenContent } from './golden-vault.ts';

for (const { kind, file } of GOLDEN_VAULTS) {
  test(`the program in docs/format.md restores the golden vault ${kind} with zstd and Python alone`, async () => {
    const page = await readFile(join(import.meta.dirname, '../../docs/format.md'), 'utf8');
    const program = /```python\n([\s\S]*?)```/.exec(page)?.[1];
    assert.ok(program, 'docs/format.md has a program');
    const objects: Record<string, string> = JSON.parse(await readFile(file, 'utf8'));
    const folder = await mkdtemp(join(tmpdir(), 'by-hand-'));
    try {
      for (const [key, body] of Object.entries(objects)) {
        const name = key.replace(`disks/${GOLDEN_DISK}/`, '').replace(/^manifests\/0000000002-.*/, 'manifest.bfm');
        await mkdir(dirname(join(folder, name)), { recursive: true });
        await writeFile(join(folder, name), Buffer.from(body, 'base64'));
      }
      execFileSync('python3', ['-c', program], { cwd: folder });
      assert.ok((await readFile(join(folder, 'disk.raw'))).equals(goldenContent(2)));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}
