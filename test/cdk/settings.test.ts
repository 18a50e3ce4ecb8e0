import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseSettings, poolEntriesOf, readSettings, settingsSchema } from '#cdk/settings.ts';
import { poolsEnvironment } from '#lib/workflow/pools-environment.ts';

const fingerprint = Array.from({ length: 32 }, () => 'AB').join(':');
const pool = { name: 'main', url: 'https://192.0.2.10', fingerprint, secretName: 'blockferry/main' };

function complaint(value: unknown): string {
  try {
    parseSettings(value, 'blockferry.json');
  } catch (error) {
    assert.equal((error as Error).name, 'SettingsInvalid');
    return (error as Error).message;
  }
  return assert.fail('the settings were accepted');
}

test('one pool is all that has to be said', () => {
  const settings = parseSettings({ pools: [pool] }, 'blockferry.json');
  assert.equal(settings.name, 'blockferry');
  assert.deepEqual(settings.vault, { owner: 'this-account', prefix: '', storageClass: 'STANDARD' });
  assert.equal(settings.readers, 4);
});

test('a wrong value is reported with its key, itself and the cure', () => {
  const message = complaint({ pools: [{ ...pool, url: 'http://192.0.2.10' }], readers: 17 });
  assert.match(message, /pools\.0\.url is "http:\/\/192\.0\.2\.10"; give https/);
  assert.match(message, /readers is 17; give 1 to 16 readers/);
});

test('a missing value is reported as missing', () => {
  assert.match(
    complaint({ pools: [{ ...pool, secretName: undefined }] }),
    /pools\.0\.secretName is missing; give the name/,
  );
  assert.match(complaint({}), /pools is missing/);
});

test('an unknown key is refused, so that no password can lie in the settings unnoticed', () => {
  assert.match(complaint({ pools: [{ ...pool, password: 'x' }] }), /pools\.0 has the unknown key password/);
});

test('a host needs exactly one way to be known', () => {
  const { fingerprint: _, ...unknown } = pool;
  assert.match(complaint({ pools: [unknown] }), /either the fingerprint/);
  const both = { ...pool, authority: '-----BEGIN CERTIFICATE-----' };
  assert.match(complaint({ pools: [both] }), /either the fingerprint/);
});

test('two pools of one name are refused', () => {
  assert.match(complaint({ pools: [pool, pool] }), /give every pool its own name/);
});

test("pools that do not fit into a function's environment are refused before deployment", () => {
  const { fingerprint: _, ...unknown } = pool;
  const authority = `-----BEGIN CERTIFICATE-----${'A'.repeat(4_000)}`;
  assert.match(complaint({ pools: [{ ...unknown, authority }] }), /pin hosts by fingerprint/);
});

test('what the functions get of the pools is what their contract reads', () => {
  const { pools } = parseSettings({ pools: [{ ...pool, otherHosts: [{ url: 'https://h2', fingerprint }] }] }, 'test');
  const parsed = poolsEnvironment.POOLS.parse(JSON.stringify(poolEntriesOf(pools)));
  assert.deepEqual(parsed['main']?.coordinator.trust, { kind: 'fingerprint', sha256: 'ab'.repeat(32) });
  assert.equal(parsed['main']?.others[0]?.url, 'https://h2');
});

test('a file that is absent or not JSON is named', () => {
  const folder = mkdtempSync(join(tmpdir(), 'blockferry-settings-'));
  try {
    const file = join(folder, 'blockferry.json');
    assert.throws(() => readSettings(file), { name: 'SettingsInvalid', message: /cannot be read/ });
    writeFileSync(file, '{"pools": [');
    assert.throws(() => readSettings(file), { name: 'SettingsInvalid', message: /is not JSON/ });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the schema for editors is that of the settings, and the example can be used', () => {
  const shipped = readFileSync(new URL('../../blockferry.schema.json', import.meta.url), 'utf8');
  assert.deepEqual(JSON.parse(shipped), JSON.parse(JSON.stringify(settingsSchema())));
  assert.doesNotThrow(() => readSettings(fileURLToPath(new URL('../../blockferry.example.json', import.meta.url))));
});

test('a policy names a pool that there is, and no two policies have one name', () => {
  const policy = { name: 'nightly', select: 'all', at: '01:30' };
  assert.match(complaint({ pools: [pool], policies: [{ ...policy, pool: 'other' }] }), /name in every policy one of/);
  assert.match(complaint({ pools: [pool], policies: [policy, policy] }), /give every policy its own name/);
});
