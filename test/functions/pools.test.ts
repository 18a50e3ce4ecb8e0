import assert from 'node:assert/strict';
import { test } from 'node:test';
import { poolsOf } from '#functions/pools.ts';
import { Secret } from '#lib/secret.ts';
import type { PoolEntry } from '#lib/workflow/pools-environment.ts';

const entry: PoolEntry = {
  coordinator: { url: 'https://xen.example:8443', trust: { kind: 'authority', pem: '-----BEGIN CERTIFICATE-----' } },
  others: [{ url: 'https://192.0.2.2', trust: { kind: 'fingerprint', sha256: 'ab'.repeat(32) } }],
  secretName: 'blockferry/main',
  nbd: 'tls',
};

const read = async (name: string) => ({ username: name, password: new Secret('p') });

test('the only pool needs no name, and its credential is read from its own secret', async () => {
  const pool = poolsOf({ main: entry }, read).named(undefined);
  assert.equal(pool.name, 'main');
  const { username } = await pool.credentials({ signal: AbortSignal.timeout(1000) });
  assert.equal(username, 'blockferry/main');
});

test('an authority vouches for the name in the url, a fingerprint for one certificate', () => {
  const { host, redirects } = poolsOf({ main: entry }, read).named('main');
  assert.deepEqual(host.pin, { kind: 'authority', pem: '-----BEGIN CERTIFICATE-----', servername: 'xen.example' });
  assert.deepEqual(redirects[0]?.pin, { kind: 'fingerprint', sha256: 'ab'.repeat(32) });
});

test('an unknown name, and no name among several pools, is UnknownPool with the names there are', () => {
  const pools = poolsOf({ main: entry, lab: entry }, read);
  assert.throws(() => pools.named('Main'), { name: 'UnknownPool', message: /"Main".*main, lab/ });
  assert.throws(() => pools.named(undefined), { name: 'UnknownPool', message: /names no pool/ });
});

test('names that every object has are no pools', () => {
  assert.throws(() => poolsOf({ main: entry }, read).named('constructor'), { name: 'UnknownPool' });
});
