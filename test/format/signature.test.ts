import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { auditVault } from '#lib/verify/audit.ts';
import { LoneDisk } from '../fakes/lone-disk.ts';
import { GOLDEN_DISK, GOLDEN_FILE } from './golden-vault.ts';

const json = async (path: string) => JSON.parse(await readFile(path, 'utf8'));
const golden: Record<string, string> = await json(GOLDEN_FILE);
const signed: { publicKey: string; objects: Record<string, string> } = await json(
  `${import.meta.dirname}/../golden/signature-v1.json`,
);
const [[signatureKey = '', stored = ''] = []] = Object.entries(signed.objects);
const document = JSON.parse(Buffer.from(stored, 'base64').toString());
const entry = Buffer.from(golden[`disks/${GOLDEN_DISK}/ledger/0000000002.json`] ?? '', 'base64');
/** Written from docs/format.md, not from the code. */
const message = `blockferry ledger head 1\n${GOLDEN_DISK}\n2\n${createHash('sha256').update(entry).digest('hex')}\n`;

test('the golden signature is over the four lines that the format page names, by the key it names', () => {
  const publicKey = createPublicKey(signed.publicKey);
  assert.ok(verify('sha256', Buffer.from(message), publicKey, Buffer.from(document.signature, 'base64')));
  const der = publicKey.export({ type: 'spki', format: 'der' });
  assert.equal(document.key, `sha256:${createHash('sha256').update(der).digest('hex')}`);
});

test('openssl confirms the golden signature, as the format page shows', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'signature-'));
  try {
    await writeFile(join(folder, 'public.pem'), signed.publicKey);
    await writeFile(join(folder, 'signature.der'), Buffer.from(document.signature, 'base64'));
    const command = ['dgst', '-sha256', '-verify', 'public.pem', '-signature', 'signature.der'];
    const said = execFileSync('openssl', command, { cwd: folder, input: message });
    assert.match(said.toString(), /Verified OK/);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('the audit confirms the golden signature beside the golden vault, which is whole without it too', async () => {
  const disk = new LoneDisk();
  for (const [key, body] of Object.entries(golden)) await disk.store.put(key, Buffer.from(body, 'base64'));
  assert.deepEqual((await auditVault({ store: disk.store })).findings, []);
  await disk.store.put(signatureKey, Buffer.from(stored, 'base64'));
  const publicKeys = [createPublicKey(signed.publicKey)];
  const { findings, signed: disks } = await auditVault({ store: disk.store, publicKeys });
  assert.deepEqual([findings, disks.map(({ seq }) => seq)], [[], [2]]);
});
