/** What doctor says of a host that is not where it was looked for, and of a vault that cannot be used. */

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { examine } from '#lib/host/doctor.ts';
import { examineVault } from '#lib/host/vault-examination.ts';
import { Secret } from '#lib/secret.ts';
import { s3Store } from '#lib/store/s3.ts';
import { startS3Server } from '#local/s3/server.ts';
import { hastyClock } from '../fakes/lone-site.ts';

/** A port of this machine where whoever connects is answered with `greeting`. */
async function answeringWith(t: TestContext, greeting: string): Promise<number> {
  const server = createServer((socket) => socket.on('error', () => undefined).end(greeting));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : assert.fail('no port');
}

async function certificateFinding(url: string) {
  const time = { clock: hastyClock, signal: AbortSignal.timeout(20_000) };
  const [finding, ...others] = await examine({ url, pool: undefined, vault: undefined, ...time });
  assert.deepEqual(others, [], 'nothing else can be found out');
  return finding?.state === 'failed' ? finding : assert.fail(JSON.stringify(finding));
}

test('a name that no name server knows is named as that, not as a matter of the firewall', async () => {
  const { check, what, cure } = await certificateFinding('https://xen.does-not-exist.invalid');
  assert.equal(check, 'certificate');
  assert.match(what, /^xen\.does-not-exist\.invalid cannot be reached over TLS: .*(ENOTFOUND|EAI_AGAIN)/);
  assert.match(cure, /^No name server knows the name: check how it is written/);
});

test('a port on which nothing listens is told from one that a firewall keeps silent', async () => {
  const { what, cure } = await certificateFinding('https://127.0.0.1:1');
  assert.match(what, /ECONNREFUSED/);
  assert.match(cure, /nothing listens on this port/);
});

test('a server that is no host of a pool is told by its lack of TLS', async (t) => {
  const port = await answeringWith(t, 'HTTP/1.1 400 Bad Request\r\n\r\n');
  const { cure } = await certificateFinding(`https://127.0.0.1:${port}`);
  assert.match(cure, /does not speak TLS as a host does/);
});

const BROKEN_VAULTS: readonly (readonly [
  what: string,
  change: Partial<Parameters<typeof s3Store>[0]>,
  complaint: RegExp,
  cure: RegExp,
])[] = [
  ['does not exist', { bucket: 'mistyped' }, /NoSuchBucket/, /^There is no bucket of this name/],
  [
    'refuses the key',
    { credentials: { accessKeyId: 'AKIAUNKNOWN', secretAccessKey: new Secret('wrong') } },
    /InvalidAccessKeyId/,
    /^Check the access key and its secret/,
  ],
  ['denies the write', { expectedBucketOwner: '999999999999' }, /AccessDenied/, /s3:PutObject.*KMS key/],
  ['is at an endpoint where nothing listens', { endpoint: 'http://127.0.0.1:1' }, /ECONNREFUSED/, /^Nothing listens/],
];

for (const [what, change, complaint, cure] of BROKEN_VAULTS) {
  test(`a vault that ${what} gets that cause and its cure`, async (t) => {
    const s3 = await startS3Server({ buckets: ['vault'] });
    t.after(() => s3.stop());
    const { accessKeyId, secretAccessKey } = s3.credentials;
    using store = s3Store({
      bucket: 'vault',
      endpoint: s3.endpoint,
      region: s3.region,
      credentials: { accessKeyId, secretAccessKey: new Secret(secretAccessKey) },
      ...change,
    });
    const [finding, ...others] = await examineVault({ store, random: randomBytes });
    assert.deepEqual(others, []);
    if (finding?.state !== 'failed') return assert.fail(JSON.stringify(finding));
    assert.match(finding.what, /^writing an object: /);
    assert.match(finding.what, complaint);
    assert.match(finding.cure, cure);
    assert.ok(!finding.what.includes(finding.cure), 'the cure is said twice');
  });
}
