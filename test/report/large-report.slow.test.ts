import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const LIMITS = { seconds: 60, peakMib: 512, pageMib: 5 } as const;

test('the report of 500 VMs with 400 points each takes at most 60 s and 512 MiB and is below 5 MiB', async (context) => {
  const program = join(import.meta.dirname, 'large-vault.ts');
  const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: 3 * LIMITS.seconds * 1000 });
  const took = JSON.parse(stdout);
  context.diagnostic(stdout);
  assert.deepEqual([took.vms, took.points], [500, 200_000]);
  for (const [what, limit] of Object.entries(LIMITS)) assert.ok(took[what] < limit, `${what}: ${took[what]}`);
});
