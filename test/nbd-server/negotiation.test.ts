import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { NbdServer, type NbdServerSettings } from '#lib/nbd-server/server.ts';
import { issueCertificate } from '../servers/certificates.ts';
import { MemoryDisk } from './memory-disk.ts';
import { RawClient } from './raw-client.ts';

const run = promisify(execFile);
const OPT = { EXPORT_NAME: 1, ABORT: 2, LIST: 3, STARTTLS: 5, INFO: 6, STRUCTURED_REPLY: 8, SET_META_CONTEXT: 10 };
const REP = { ACK: 1, ERR_UNSUP: 0x80000001, ERR_POLICY: 0x80000002, ERR_INVALID: 0x80000003, ERR_UNKNOWN: 0x80000006 };

const content = randomBytes(1_000_000);
const serve = (more: Partial<NbdServerSettings> = {}) =>
  NbdServer.start({
    disks: [new MemoryDisk('0', content), new MemoryDisk('data', content.subarray(0, 5000))],
    listen: { host: '127.0.0.1', port: 0 },
    ...more,
  });

const lastType = async (reply: Promise<{ type: number }[]>) => (await reply).at(-1)?.type;

test('nbdinfo lists every export with its size, read-only and safe for several connections', async () => {
  await using server = await serve();
  const { stdout } = await run('nbdinfo', ['--list', '--json', server.uri]);
  const exports: Record<string, unknown>[] = JSON.parse(stdout).exports;
  assert.deepEqual(
    exports.map((found) => [
      found['export-name'],
      found['export-size'],
      found['is_read_only'],
      found['can_multi_conn'],
    ]),
    [
      ['0', 1_000_000, true, true],
      ['data', 5000, true, true],
    ],
  );
  assert.equal(exports[0]?.['can_df'], true);
});

test('nbd-client lists the exports and agrees on the size of the one that it would attach', async () => {
  const large = new MemoryDisk('large', Buffer.alloc(3 * 1_048_576));
  await using server = await serve({ disks: [new MemoryDisk('0', content), large] });
  const { port } = new URL(server.uri);
  const { stdout } = await run('nbd-client', ['-l', '127.0.0.1', port]);
  assert.match(stdout, /^0: a disk in memory\nlarge: a disk in memory$/m);
  // The name is no device's, so that nothing is attached, with the kernel's module neither: what it attaches is not seen.
  const attached = run('nbd-client', ['127.0.0.1', port, 'no-device', '-N', 'large', '-readonly', '-nofork']);
  const sizeThenEnd = { stdout: /Negotiation: \.\.size = 3MB/, stderr: /Invalid nbd device/ };
  await assert.rejects(attached, sizeThenEnd);
  const unknown = run('nbd-client', ['127.0.0.1', port, 'no-device', '-N', 'other', '-nofork']);
  await assert.rejects(unknown, { stderr: /not known|unknown|not available/i });
});

test('a client that knows only EXPORT_NAME gets its export, with the 124 zeroes unless it declines them', async () => {
  await using server = await serve();
  for (const [flags, zeroes] of [
    [1, 124],
    [3, 0],
  ] as const) {
    using client = await RawClient.connect(server.uri, flags);
    const head = Buffer.alloc(16);
    head.write('IHAVEOPT', 'latin1');
    head.writeUInt32BE(OPT.EXPORT_NAME, 8);
    head.writeUInt32BE(4, 12);
    client.socket.write(Buffer.concat([head, Buffer.from('data')]));
    const reply = await client.read(10 + zeroes);
    assert.equal(reply.readBigUInt64BE(0), 5000n);
    const { data } = await client.request(0, { offset: 100, length: 700 });
    assert.ok(data.equals(content.subarray(100, 800)));
  }
});

test('an unknown export, an unknown option and a malformed one are answered, and the client may go on', async () => {
  await using server = await serve();
  using client = await RawClient.connect(server.uri);
  const unknown = Buffer.from([0, 0, 0, 2, 0x6e, 0x6f, 0, 0]);
  assert.equal(await lastType(client.option(OPT.INFO, unknown)), REP.ERR_UNKNOWN);
  assert.equal(await lastType(client.option(99)), REP.ERR_UNSUP);
  assert.equal(await lastType(client.option(OPT.INFO, Buffer.from([0, 0, 0, 200, 1]))), REP.ERR_INVALID);
  assert.equal(await lastType(client.option(OPT.STARTTLS)), REP.ERR_POLICY);
  assert.equal(await lastType(client.option(OPT.STRUCTURED_REPLY, Buffer.from('x'))), REP.ERR_INVALID);
  const before = Buffer.concat([
    Buffer.from([0, 0, 0, 1, 0x30, 0, 0, 0, 1, 0, 0, 0, 15]),
    Buffer.from('base:allocation'),
  ]);
  assert.equal(
    await lastType(client.option(OPT.SET_META_CONTEXT, before)),
    REP.ERR_INVALID,
    'before structured replies',
  );
  assert.equal(await lastType(client.option(OPT.LIST)), REP.ACK);
  await client.go('0');
  assert.ok((await client.request(0, { offset: 0, length: 10 })).data.equals(content.subarray(0, 10)));
});

test('ABORT is acknowledged before the connection ends', async () => {
  await using server = await serve();
  using client = await RawClient.connect(server.uri);
  assert.equal(await lastType(client.option(OPT.ABORT)), REP.ACK);
  await assert.rejects(client.read(1), /hung up/);
});

for (const [what, bytes] of [
  ['an option without its magic', Buffer.alloc(16)],
  ['an option of 4 GiB', Buffer.concat([Buffer.from('IHAVEOPT'), Buffer.from([0, 0, 0, 3, 255, 255, 255, 255])])],
] as const) {
  test(`${what} ends the connection, and others are served on`, async () => {
    await using server = await serve();
    using client = await RawClient.connect(server.uri);
    client.socket.write(bytes);
    await assert.rejects(client.read(1), /hung up/);
    using other = await RawClient.connect(server.uri);
    await other.go('');
  });
}

test('one client too many is turned away, and those who are there are not disturbed', async () => {
  const troubles: string[] = [];
  await using server = await serve({ onTrouble: (message) => troubles.push(message) });
  const clients = await Promise.all(Array.from({ length: 32 }, () => RawClient.connect(server.uri)));
  await assert.rejects(RawClient.connect(server.uri), /hung up/);
  assert.equal(troubles.length, 1);
  await clients[0]?.go('0');
  for (const client of clients) client[Symbol.dispose]();
});

test('with a certificate nothing is told before TLS, and the disk is read through it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'nbds-'));
  try {
    const certificate = await issueCertificate({ subject: 'localhost' });
    await writeFile(join(folder, 'ca-cert.pem'), certificate.certificatePem);
    const tls = { certificate: certificate.certificatePem, privateKey: certificate.privateKeyPem };
    await using server = await serve({ tls });
    using plain = await RawClient.connect(server.uri);
    assert.equal(await lastType(plain.option(OPT.LIST)), 0x80000005);
    const uri = `${server.uri.replace('127.0.0.1', 'localhost')}/0?tls-certificates=${folder}`;
    const copy = join(folder, 'copy');
    await run('nbdcopy', [uri, copy]);
    const { stdout } = await run('cmp', [copy, await written(folder)]);
    assert.equal(stdout, '');
  } finally {
    await rm(folder, { recursive: true });
  }
});

async function written(folder: string): Promise<string> {
  const path = join(folder, 'source');
  await writeFile(path, content);
  return path;
}
