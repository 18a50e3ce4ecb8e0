import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseVaultUrl } from '#cli/vault-options.ts';

test('an address is a bucket and a prefix, with or without slashes at its end', () => {
  assert.deepEqual(parseVaultUrl('s3://bucket'), { bucket: 'bucket', prefix: '' });
  assert.deepEqual(parseVaultUrl('s3://bucket//'), { bucket: 'bucket', prefix: '' });
  assert.deepEqual(parseVaultUrl('s3://bucket/a//b//'), { bucket: 'bucket', prefix: 'a//b/' });
});

test('keys inside of an address are not repeated', () => {
  for (const url of ['s3://KEY:secret@bucket', 's3://KEY:s/ecret@x@bucket', 'https://KEY:secret@bucket/x']) {
    assert.throws(
      () => parseVaultUrl(url),
      (error: Error) => !/KEY|secret/.test(error.message),
    );
  }
});

test('an address of a quarter of a megabyte is judged at once', () => {
  const began = process.threadCpuUsage();
  assert.equal(parseVaultUrl(`s3://bucket/${'/'.repeat(262_144)}x`).prefix.length, 262_146);
  assert.throws(() => parseVaultUrl('://a'.repeat(65_536)), { name: 'UsageError' });
  const { user } = process.threadCpuUsage(began);
  assert.ok(user < 250_000, `${user} µs`);
});
