import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect } from 'node:tls';
import { type Simulator, startSimulator } from '#sim/simulator.ts';
import { FAST_TIMINGS } from '#sim/timings.ts';
import { ApiClient, httpRequest, post, rawConnection, untilEnd } from './api-client.ts';

let pool: Simulator;
before(async () => {
  pool = await startSimulator({ timings: FAST_TIMINGS });
});
after(() => pool.stop());

function handshake(options: object): Promise<{ protocol: string | null; cipher: string; curve: unknown }> {
  return new Promise((resolve, reject) => {
    const socket = connect(
      {
        host: '127.0.0.1',
        port: Number(new URL(pool.url).port),
        ca: pool.certificatePem,
        servername: 'xenhost1.test',
        ...options,
      },
      () => {
        resolve({
          protocol: socket.getProtocol(),
          cipher: socket.getCipher().name,
          curve: (socket.getEphemeralKeyInfo() as { name?: string }).name,
        });
        socket.destroy();
      },
    );
    socket.on('error', reject);
  });
}

async function send(text: string): Promise<string> {
  const socket = await rawConnection(pool);
  const answer = untilEnd(socket);
  socket.write(text);
  return (await answer).toString('latin1');
}

test('TLS is version 1.2 with P-384 and the host decides the cipher', async () => {
  const { protocol, cipher, curve } = await handshake({});
  assert.deepEqual(
    { protocol, cipher, curve },
    { protocol: 'TLSv1.2', cipher: 'ECDHE-RSA-AES256-GCM-SHA384', curve: 'secp384r1' },
  );
});

test('a client that insists on TLS 1.3 gets no connection', async () => {
  await assert.rejects(handshake({ minVersion: 'TLSv1.3' }), /protocol version/i);
});

test('a client that does not offer P-384 gets no connection', async () => {
  await assert.rejects(handshake({ ecdhCurve: 'prime256v1' }), /handshake failure/i);
});

test('the certificate is self-signed RSA-2048 for the host name, and its fingerprint is published', async () => {
  const socket = await rawConnection(pool);
  const certificate = socket.getPeerX509Certificate();
  assert.equal(certificate?.subject, 'CN=xenhost1.test');
  assert.match(certificate?.subjectAltName ?? '', /DNS:xenhost1\.test.*IP Address:127\.0\.0\.1/);
  assert.equal(certificate?.publicKey.asymmetricKeyDetails?.modulusLength, 2048);
  assert.equal(certificate?.fingerprint256.replaceAll(':', '').toLowerCase(), pool.fingerprint);
  socket.destroy();
});

test('a header block of 1024 bytes passes and one byte more is answered with 431', async () => {
  const block = (padding: number) => `POST / HTTP/1.1\r\ncontent-length: 0\r\nx: ${'y'.repeat(padding)}\r\n\r\n`;
  const fitting = 1024 - block(0).length;
  assert.match(await send(block(fitting)), /^HTTP\/1\.1 500 /);
  assert.match(await send(block(fitting + 1)), /^HTTP\/1\.1 431 .*connection: close/s);
});

test('a request without Content-Length is answered with 500', async () => {
  assert.match(await send('POST / HTTP/1.1\r\nhost: x\r\n\r\n'), /^HTTP\/1\.1 500 Internal/);
});

test('an RPC body of more than 300 KiB is answered with 500', async () => {
  assert.equal((await post(pool, '/', 'x'.repeat(307_201))).status, 500);
});

test('malformed XML is answered with 500 and a page of HTML, and the connection is closed', async () => {
  const { status, headers, body } = await post(pool, '/', '<methodCall><methodName>a</methodName>');
  assert.equal(status, 500);
  assert.equal(headers['content-type'], 'text/html');
  assert.equal(headers['connection'], 'close');
  assert.match(body, /^<html>.*<\/html>$/s);
});

test('malformed JSON is answered with 500 too, and so is a call without an id', async () => {
  assert.equal((await post(pool, '/jsonrpc', '{"jsonrpc"')).status, 500);
  assert.equal((await post(pool, '/jsonrpc', '{"jsonrpc":"2.0","method":"pool.get_all","params":[]}')).status, 500);
});

test('any POST path without a handler of its own speaks XML-RPC', async () => {
  const call = '<methodCall><methodName>no.such</methodName><params/></methodCall>';
  for (const path of ['/', '/RPC2', '/xmlrpc']) {
    const { status, headers, body } = await post(pool, path, call);
    assert.equal(status, 200);
    assert.equal(headers['content-type'], 'text/xml');
    assert.match(body, /MESSAGE_METHOD_UNKNOWN/);
  }
});

test('replies keep the connection open, and requests on it are answered in turn', async () => {
  const body = '<methodCall><methodName>no.such</methodName></methodCall>';
  const request = `POST / HTTP/1.1\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const last = request.replace('HTTP/1.1', 'HTTP/1.1\r\nconnection: close');
  const answers = await send(request + request + last);
  assert.equal(answers.split('HTTP/1.1 200 OK').length - 1, 3);
  assert.match(answers, /connection: keep-alive\r\ncache-control: no-cache, no-store/);
});

test('HTTP/1.0 closes after the answer', async () => {
  assert.match(await send('POST / HTTP/1.0\r\ncontent-length: 0\r\n\r\n'), /connection: close/);
});

test('a path belongs to the handler with the longest prefix of it', async () => {
  for (const path of ['/export_raw_vdi', '/export_raw_vdi/', '/export_raw_vdi/any']) {
    const { status, headers } = await httpRequest(pool, { method: 'GET', path });
    assert.deepEqual([status, headers['www-authenticate']], [401, 'Basic realm="XAPI"'], path);
  }
});

test('GET of an unknown page is 404, PUT is 403 and an unknown verb is 501', async () => {
  const status = async (method: string) => (await httpRequest(pool, { method, path: '/nothing' })).status;
  assert.deepEqual([await status('GET'), await status('PUT'), await status('DELETE')], [404, 403, 501]);
});

test('a slow header ends the connection', async () => {
  await using slow = await startSimulator({ timings: { ...FAST_TIMINGS, headerReadMs: 50 } });
  const socket = await rawConnection(slow);
  const end = untilEnd(socket);
  socket.write('POST / HT');
  assert.equal((await end).length, 0);
});

test('an answer can be lost after the call was carried out', async () => {
  const client = await ApiClient.login(pool);
  pool.faults.lostAnswers = 1;
  await assert.rejects(client.call('task.create', 'once', ''), /socket hang up|ECONNRESET/);
  assert.equal((await client.call('task.get_by_name_label', 'once')).length, 1);
});
