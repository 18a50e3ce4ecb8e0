import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openOrCreateVault } from '#lib/vault/vault-document.ts';
import { LoneDisk } from '../fakes/lone-disk.ts';
import { startSequences } from '../host/random-sequences.ts';
import { assertAudit } from './assert-audit.ts';
import { SoakLife } from './soak-life.ts';

/** `npm run soak -- --hours N` is the same for longer. */
const LIVES = 2;

test('lives of runs, faults, prunes and collections end with exact points and a clean host', async (t) => {
  await using site = await startSequences();
  const first = Date.now() % 1_000_000;
  t.diagnostic(`seeds ${first} to ${first + LIVES - 1}`);
  for (let seed = first; seed < first + LIVES; seed++) {
    const life = new SoakLife(site, seed);
    try {
      await life.play();
    } catch (cause) {
      throw new Error(`seed ${seed}: ${life.story.join(', ')}`, { cause });
    }
    assert.ok(life.figures.restored > 0 && life.figures.committed > 1);
  }
});

test('a life notices a point whose content is not what it was', async () => {
  await using site = await startSequences();
  const life = new SoakLife(site, 1);
  await life.play();
  const [pack = ''] = life.bucket.objects.keys('disks/').filter((key) => key.endsWith('.zst'));
  const body = Buffer.from(life.bucket.objects.current(pack)?.body ?? '');
  body.fill(0, 0, 20);
  await site.store.put(pack, body);
  await assert.rejects(life.finish(), /DamagedObject|the audit|differs/);
});

test('an entry without a point is what a run leaves that died, and a difference when the run ended well', async () => {
  const disk = new LoneDisk();
  await openOrCreateVault(disk.store, { vault: '00000000000000aa', created: disk.now });
  const run = await disk.backUp(Buffer.alloc(65_536, 1));
  const [point = ''] = disk.bucket.objects.keys('vms/').filter((key) => key.includes('/points/'));
  await disk.store.delete(point);
  await assertAudit(disk.store, new Set([run]));
  await assert.rejects(assertAudit(disk.store, new Set()), /the audit/);
});
