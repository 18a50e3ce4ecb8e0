import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingHttpHeaders } from 'node:http';
import { createServer } from 'node:https';
import { after, before, beforeEach, describe, it } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { crc32 } from 'node:zlib';
import { Secret } from '#lib/secret.ts';
import { VaultAccessDenied } from '#lib/store/failures.ts';
import { s3Store } from '#lib/store/s3.ts';
import { issueCertificate } from '../servers/certificates.ts';

describe('uploads over TLS', () => {
  const received: { headers: IncomingHttpHeaders; body: Buffer }[] = [];
  /** Statuses of the next answers; 200 when there are none. */
  const statuses: number[] = [];
  const trusted = getCACertificates();
  let stop: () => Promise<void>;
  let endpoint: string;
  let certificatePem: string;

  before(async () => {
    const certificate = await issueCertificate({ subject: 'localhost' });
    certificatePem = certificate.certificatePem;
    const server = createServer({ key: certificate.privateKeyPem, cert: certificatePem }, (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        received.push({ headers: request.headers, body: Buffer.concat(chunks) });
        response.writeHead(statuses.shift() ?? 200, { etag: '"e"' }).end();
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert(typeof address === 'object' && address !== null);
    endpoint = `https://localhost:${address.port}`;
    stop = async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    };
  });
  beforeEach(() => {
    received.length = 0;
    setDefaultCACertificates([...trusted, certificatePem]);
  });
  after(async () => {
    setDefaultCACertificates(trusted);
    await stop();
  });

  const open = () =>
    s3Store({ bucket: 'bucket', endpoint, credentials: { accessKeyId: 'a', secretAccessKey: new Secret('b') } });
  const upload = { key: 'pack', uploadId: 'u' };

  for (const bytes of [0, 1, 1024 * 1024, 1024 * 1024 + 1, 5 * 1024 * 1024 + 17]) {
    it(`a part of ${bytes} bytes arrives whole, with its length and checksum, and unsigned`, async () => {
      using store = open();
      const body = randomBytes(bytes);
      await store.uploadPart(upload, { partNumber: 1, body, crc32: crc32(body) });
      const [{ headers, body: arrived }] = received as [(typeof received)[0]];
      assert(arrived.equals(body));
      assert.equal(headers['content-length'], String(bytes));
      assert.equal(headers['transfer-encoding'], undefined);
      assert.equal(headers['x-amz-content-sha256'], 'UNSIGNED-PAYLOAD');
      const crc = Buffer.from(headers['x-amz-checksum-crc32'] as string, 'base64').readUInt32BE();
      assert.equal(crc, crc32(body));
      assert.equal(headers['expect'], undefined);
    });
  }

  it('a part that is refused with 503 is sent again, whole', async () => {
    using store = open();
    const body = randomBytes(3 * 1024 * 1024);
    statuses.push(503);
    await store.uploadPart(upload, { partNumber: 1, body, crc32: crc32(body) });
    assert.deepEqual(
      received.map(({ body: arrived }) => arrived.equals(body)),
      [true, true],
    );
  });

  it('small objects stay signed with their content', async () => {
    using store = open();
    await store.put('ledger', Buffer.from('entry'));
    assert.match(String(received[0]?.headers['x-amz-content-sha256']), /^[0-9a-f]{64}$/);
  });

  it('a certificate that nobody vouches for is refused, and nothing is sent', async () => {
    setDefaultCACertificates(trusted);
    using store = open();
    await assert.rejects(store.put('k', Buffer.from('x')), (error: Error) => {
      assert(error instanceof VaultAccessDenied, error.message);
      assert.match(error.message, /certificate.*NODE_EXTRA_CA_CERTS/);
      return true;
    });
    assert.equal(received.length, 0);
  });
});
