import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { encodeDocument, HEAD } from '#lib/format/document.ts';
import { vaultKeys } from '#lib/format/keys.ts';
import { certificateDaysLeft } from '#lib/host/certificate-expiry.ts';
import { parseRunId } from '#lib/units.ts';
import { MemoryBucket } from '../fakes/memory-store.ts';
import { issueCertificate } from '../servers/certificates.ts';

const RUN = parseRunId('0123456789abcdef');
const DISK = '0d15c000-1111-4222-8333-444455556666';
const DAY_MS = 86_400_000;

async function daysLeft(pems: readonly string[], now: Date): Promise<number | undefined> {
  const store = new MemoryBucket().store();
  const exports = pems.map((certificatePem) => ({
    ...{ address: '192.0.2.1', port: 10_809, exportName: '/disk' },
    security: { kind: 'tls', certificatePem, subject: 'host' },
  }));
  const connection = { run: RUN, execution: 'arn', pool: 'lab', session: 's', disks: [{ disk: DISK, exports }] };
  await store.put(vaultKeys.connection(RUN), encodeDocument({ ...HEAD, ...connection }));
  return certificateDaysLeft(store, RUN, now);
}

test('the first certificate to run out decides how many whole days are left', async () => {
  const { certificatePem } = await issueCertificate({ subject: 'host' });
  const end = new X509Certificate(certificatePem).validToDate.getTime();
  assert.equal(await daysLeft([certificatePem], new Date(end - 2.5 * DAY_MS)), 2);
  assert.equal(await daysLeft([certificatePem], new Date(end + 0.5 * DAY_MS)), -1);
});

test('what is no certificate says nothing about days, and ends no run', async () => {
  const { certificatePem } = await issueCertificate({ subject: 'host' });
  const end = new X509Certificate(certificatePem).validToDate.getTime();
  assert.equal(await daysLeft(['no certificate', certificatePem], new Date(end - 2.5 * DAY_MS)), 2);
  assert.equal(await daysLeft(['no certificate'], new Date(end)), undefined);
});
