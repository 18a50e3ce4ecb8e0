/** The client against nbdkit, qemu-nbd and nbd-server. */

import { strict as assert } from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connectNbd, type NbdEndpoint } from '#lib/nbd/connect.ts';
import type { NbdConnection } from '#lib/nbd/connection.ts';
import { ExportRefused, NbdCertificateMismatch } from '#lib/nbd/failures.ts';
import { Secret } from '#lib/secret.ts';
import { issueAuthority, issueCertificate, type TestCertificate } from '../servers/certificates.ts';
import {
  type RunningNbdServer,
  type ServerTls,
  startNbdkit,
  startNbdServer,
  startQemuNbd,
} from '../servers/nbd-servers.ts';

const SUBJECT = 'xenhost.test';
const EXPORT = '/f6a1c9a0-7d0d-4a66-9a53-0a3a3d5d0001?session_id=OpaqueRef:11111111-2222-3333-4444-555555555555';
const CHUNK = 1_048_576;
const GRAIN = 65_536;

let folder: string;
let file: string;
let authority: TestCertificate;
let selfSigned: TestCertificate;
let issued: TestCertificate;
/** Neither whole grains nor whole pages, but whole sectors. */
const disk = randomBytes(9 * CHUNK + 3 * 4096 + 512);

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'blockferry-nbd-'));
  file = join(folder, 'disk.raw');
  await writeFile(file, disk);
  authority = await issueAuthority('nbd test authority');
  selfSigned = await issueCertificate({ subject: SUBJECT });
  issued = await issueCertificate({ subject: SUBJECT, issuer: authority });
});

after(async () => {
  await rm(folder, { recursive: true });
});

function tlsEndpoint(server: RunningNbdServer, certificate: TestCertificate): NbdEndpoint {
  const security = { kind: 'tls' as const, certificatePem: certificate.certificatePem, subject: SUBJECT };
  return { address: server.address, port: server.port, exportName: new Secret(EXPORT), security };
}

function plainEndpoint(server: RunningNbdServer, exportName = EXPORT): NbdEndpoint {
  return {
    address: server.address,
    port: server.port,
    exportName: new Secret(exportName),
    security: { kind: 'insecure' },
  };
}

async function readWhole(connection: NbdConnection): Promise<Buffer> {
  const whole = Buffer.alloc(connection.exportBytes);
  const reads: Promise<void>[] = [];
  for (let at = 0; at < whole.length; at += CHUNK) {
    reads.push(connection.readInto(at, whole.subarray(at, Math.min(at + CHUNK, whole.length))));
  }
  await Promise.all(reads);
  return whole;
}

/** Every third grain, the last first: 50 reads at once. */
async function readScattered(connection: NbdConnection): Promise<void> {
  const offsets = Array.from({ length: 50 }, (_, index) => (50 - index) * 3 * GRAIN - 3 * GRAIN).filter(
    (offset) => offset + GRAIN <= disk.length,
  );
  const blocks = await Promise.all(offsets.map((offsetBytes) => connection.read({ offsetBytes, lengthBytes: GRAIN })));
  for (const [index, offset] of offsets.entries()) {
    assert.ok(blocks[index]?.equals(disk.subarray(offset, offset + GRAIN)), `grain at ${offset}`);
  }
}

async function isTheDisk(endpoint: NbdEndpoint): Promise<NbdConnection['facts']> {
  await using connection = await connectNbd(endpoint);
  assert.equal(connection.exportBytes, disk.length);
  assert.ok((await readWhole(connection)).equals(disk));
  await readScattered(connection);
  return connection.facts;
}

const servers: readonly [name: string, start: (tls: ServerTls) => Promise<RunningNbdServer>][] = [
  ['nbdkit', (tls) => startNbdkit({ plugin: ['file', file], exportName: EXPORT, tls })],
  ['qemu-nbd', (tls) => startQemuNbd({ file, exportName: EXPORT, tls })],
];

for (const [name, start] of servers) {
  describe(`${name} with TLS 1.2`, () => {
    test('a self-signed certificate is trusted because it is the one expected, and every byte arrives', async () => {
      await using server = await start({ certificate: selfSigned });
      const facts = await isTheDisk(tlsEndpoint(server, selfSigned));
      assert.deepEqual(facts, { kind: 'tls', verifiedBy: 'certificate' });
    });

    test('a leaf of an unknown authority is trusted because it is the one expected', async () => {
      await using server = await start({ certificate: issued, authority });
      const facts = await isTheDisk(tlsEndpoint(server, issued));
      assert.deepEqual(facts, { kind: 'tls', verifiedBy: 'certificate' });
    });

    test('a leaf is trusted because the expected certificate is its authority', async () => {
      await using server = await start({ certificate: issued, authority });
      await using connection = await connectNbd(tlsEndpoint(server, authority));
      assert.deepEqual(connection.facts, { kind: 'tls', verifiedBy: 'authority' });
    });

    test('a renewed certificate with the old key is trusted by its key', async () => {
      const renewed = await issueCertificate({ subject: SUBJECT, keyOf: selfSigned });
      await using server = await start({ certificate: renewed });
      await using connection = await connectNbd(tlsEndpoint(server, selfSigned));
      assert.deepEqual(connection.facts, { kind: 'tls', verifiedBy: 'public-key' });
    });

    test('another certificate for the same name is refused', async () => {
      await using server = await start({ certificate: await issueCertificate({ subject: SUBJECT }) });
      await assert.rejects(connectNbd(tlsEndpoint(server, selfSigned)), NbdCertificateMismatch);
    });

    test('a leaf of the expected authority for another name is refused', async () => {
      const other = await issueCertificate({ subject: 'other.test', issuer: authority });
      await using server = await start({ certificate: other, authority });
      await assert.rejects(connectNbd(tlsEndpoint(server, authority)), NbdCertificateMismatch);
    });

    test('an unknown export is refused without its name in the message', async () => {
      await using server = await start({ certificate: selfSigned });
      const unknown = { ...tlsEndpoint(server, selfSigned), exportName: new Secret('/nothing?session_id=hidden') };
      await assert.rejects(connectNbd(unknown), (failure: unknown) => {
        assert.ok(failure instanceof ExportRefused);
        assert.doesNotMatch(String(failure.stack), /hidden|nothing/);
        return true;
      });
    });
  });
}

test('TLS 1.3 is spoken too', async () => {
  await using server = await startNbdkit({ plugin: ['file', file], tls: { certificate: selfSigned, version: '1.3' } });
  await isTheDisk(tlsEndpoint(server, selfSigned));
});

test('a server that demands TLS refuses a client without', async () => {
  await using server = await startNbdkit({ plugin: ['file', file], tls: { certificate: selfSigned } });
  await assert.rejects(connectNbd(plainEndpoint(server)), ExportRefused);
});

describe('without TLS', () => {
  test('nbdkit delivers every byte', async () => {
    await using server = await startNbdkit({ plugin: ['file', file] });
    assert.deepEqual(await isTheDisk(plainEndpoint(server)), { kind: 'insecure' });
  });

  test('nbd-server delivers every byte', async () => {
    await using server = await startNbdServer({ file, exportName: 'disk' });
    await isTheDisk(plainEndpoint(server, 'disk'));
  });
});

test('the largest read is 32 MiB, and more is refused before it is sent', async () => {
  await using server = await startNbdkit({ plugin: ['pattern', '64M'] });
  await using connection = await connectNbd(plainEndpoint(server));
  const largest = await connection.read({ offsetBytes: 8, lengthBytes: 33_554_432 });
  assert.equal(largest.readBigUInt64BE(0), 8n);
  assert.equal(largest.readBigUInt64BE(33_554_424), 33_554_432n);
  await assert.rejects(connection.read({ offsetBytes: 0, lengthBytes: 33_554_433 }), { name: 'AssertionError' });
});

test('a closed connection leaves its place on the server to the next', async () => {
  // nbdkit gives the place back a moment after it has closed the socket: four places, twelve connections one by one.
  await using server = await startNbdkit({ plugin: ['pattern', '1M', 'limit=4'], filters: ['limit'] });
  for (let round = 0; round < 12; round += 1) {
    await using connection = await connectNbd(plainEndpoint(server));
    await connection.read({ offsetBytes: 0, lengthBytes: 512 });
  }
});
