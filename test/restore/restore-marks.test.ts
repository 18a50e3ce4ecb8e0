import assert from 'node:assert/strict';
import { test } from 'node:test';
import { restoreMarkOf } from '#lib/restore/restore-marks.ts';

test('progress that is no number of grains counts as nothing in place, so that all of the disk is written', () => {
  for (const grains of ['', 'many', '-1', '1.5', '1e999', '0x10', '99999999999999999999']) {
    const mark = restoreMarkOf({ 'blockferry:restore': 'cli-1', 'blockferry:restored-grains': grains });
    assert.equal(mark?.nextGrain, 0, grains);
  }
  const mark = restoreMarkOf({ 'blockferry:restore': 'cli-1', 'blockferry:restored-grains': '128' });
  assert.equal(mark?.nextGrain, 128);
});
