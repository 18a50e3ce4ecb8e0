import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const MODULE = join(import.meta.dirname, '..', '..', 'lib', 'backup', 'rare-collections.ts');
/** The flag may be set while the process runs: this is what the reader does at its cold start. */
const SCRIPT = `import { collectRarely } from ${JSON.stringify(MODULE)}; collectRarely(); gc();`;

test('a reader that has begun collects its whole heap only when that has grown fivefold', async () => {
  const flags = ['--expose-gc', '--trace-gc-verbose', '--input-type=module', '--eval', SCRIPT];
  const { stdout } = await promisify(execFile)(process.execPath, flags, { maxBuffer: 64 * 1024 * 1024 });
  const limits = [...stdout.matchAll(/\[HeapController\] Limit: old size: (\d+) KB, new limit: (\d+) KB/g)];
  const [, size, limit] = limits.at(-1) ?? [];
  assert.ok(Number(limit) >= 5 * Number(size), `V8 says: ${limits.at(-1)?.[0]}`);
});
