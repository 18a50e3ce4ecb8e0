import assert from 'node:assert/strict';
import { createServer, type Server, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { inspect } from 'node:util';
import { z } from 'zod/mini';
import { Secret } from '#lib/secret.ts';
import { parseFingerprint } from '#lib/xapi/certificate-pin.ts';
import {
  AnswerLost,
  AnswerOverdue,
  HostCertificateMismatch,
  HostSettingsInvalid,
  HostUnreachable,
  UnexpectedReply,
} from '#lib/xapi/failures.ts';
import { loginXapi } from '#lib/xapi/login.ts';
import type { XapiHost } from '#lib/xapi/pinned-agent.ts';
import { XAPI_LIMITS, XapiTransport } from '#lib/xapi/transport.ts';
import {
  type Answer,
  type FakeHost,
  failureOf,
  fingerprintOf,
  loginOptions,
  makeAuthority,
  makeCertificate,
  openSession,
  startHost,
} from './fake-host.ts';
import { success, untyped } from './fake-xml.ts';

/** Calls `system.probe` once on a transport of its own. */
async function probe(host: XapiHost, limits = XAPI_LIMITS, signal?: AbortSignal): Promise<unknown> {
  const transport = new XapiTransport(host, limits);
  try {
    return await transport.call({ method: 'system.probe', params: [new Secret('planted')], secrets: [] }, signal);
  } finally {
    transport.close();
  }
}

async function hostAnswering(answer: Answer): Promise<FakeHost> {
  const host = await startHost();
  host.answers.set('system.probe', answer);
  return host;
}

/** A TCP server that takes connections and says whatever it is told, without TLS. */
async function startRaw(onSocket: (socket: Socket) => void): Promise<string> {
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => socket.destroy());
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return `https://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
}

test('a host with the pinned fingerprint is called, however the fingerprint is written', async () => {
  const host = await hostAnswering(() => success(untyped('1')));
  assert.ok(host.host.pin.kind === 'fingerprint');
  const colons = host.host.pin.sha256.toUpperCase().replaceAll(/(..)(?!$)/g, '$1:');
  const pin = { kind: 'fingerprint' as const, sha256: parseFingerprint(`sha256 Fingerprint=${colons}\n`) };
  assert.deepEqual(await probe({ url: host.url, pin }), { Status: 'Success', Value: '1' });
});

test('a host with another fingerprint gets not one byte of a call, and so no password', async () => {
  const host = await startHost();
  const other = fingerprintOf((await makeCertificate()).cert);
  const login = loginXapi(loginOptions(host, { host: { url: host.url, pin: { kind: 'fingerprint', sha256: other } } }));
  const failure = await failureOf(login);
  assert.ok(failure instanceof HostCertificateMismatch);
  assert.match(failure.message, new RegExp(other));
  assert.equal(failure.transient, false);
  assert.deepEqual(host.received.bytes, 0);
  assert.deepEqual(host.calls, []);
});

test('a certificate signed by the pinned authority for the pinned name is accepted at any address', async () => {
  const authority = await makeAuthority();
  const host = await startHost(await makeCertificate(authority));
  host.answers.set('system.probe', () => success(untyped('1')));
  for (const servername of ['xen1.example', '127.0.0.1']) {
    const pin = { kind: 'authority' as const, pem: authority.cert, servername };
    assert.deepEqual(await probe({ url: host.url, pin }), { Status: 'Success', Value: '1' });
  }
});

test('another authority, another name or a self-signed certificate gets not one byte of a call', async () => {
  const authority = await makeAuthority();
  const signed = await startHost(await makeCertificate(authority));
  const selfSigned = await startHost();
  const stranger = await makeAuthority();
  const cases: [FakeHost, string, string][] = [
    [signed, stranger.cert, 'xen1.example'],
    [signed, authority.cert, 'xen2.example'],
    [signed, authority.cert, '127.0.0.2'],
    [selfSigned, authority.cert, 'xen1.example'],
  ];
  for (const [host, pem, servername] of cases) {
    const failure = await failureOf(probe({ url: host.url, pin: { kind: 'authority', pem, servername } }));
    assert.ok(failure instanceof HostCertificateMismatch, failure.stack);
    assert.equal(host.received.bytes, 0);
  }
});

test('settings that cannot be right are refused before anything is dialled', async () => {
  const { host } = await startHost();
  const authority = { kind: 'authority' as const, pem: (await makeAuthority()).cert, servername: 'xen1.example' };
  const wrong: XapiHost[] = [
    { ...host, url: host.url.replace('https', 'http') },
    { ...host, url: 'xen1.example' },
    { ...host, url: 'https://root:secret@xen1.example' },
    { ...host, pin: { ...authority, pem: 'xen1.pem' } },
    { ...host, pin: { ...authority, servername: 'pool' } },
  ];
  for (const settings of wrong) {
    const failure = await failureOf(probe(settings));
    assert.ok(failure instanceof HostSettingsInvalid);
    assert.doesNotMatch(failure.message, /secret/);
  }
});

test('a port where nobody listens, and a peer that hangs up during TLS, are unreachable', async () => {
  const { host } = await startHost();
  const hangsUp = await startRaw((socket) => socket.destroy());
  const speaksHttp = await startRaw((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  for (const url of ['https://127.0.0.1:1', hangsUp, speaksHttp]) {
    const failure = await failureOf(probe({ ...host, url }));
    assert.ok(failure instanceof HostUnreachable, failure.stack);
    assert.equal(failure.transient, true);
  }
});

test('a handshake that never ends is over after the connect deadline', async () => {
  const { host } = await startHost();
  const url = await startRaw(() => undefined);
  const failure = await failureOf(probe({ ...host, url }, { ...XAPI_LIMITS, connectDeadlineMs: 50 }));
  assert.ok(failure instanceof HostUnreachable);
  assert.match(failure.message, /50 ms/);
});

test('an answer that does not come, or stalls within its body, is overdue after the answer deadline', async () => {
  const silent: Answer = () => null;
  const stalled: Answer = (_call, response) => {
    response.writeHead(200, { 'Content-Length': 1000 }).write('<?xml');
    return null;
  };
  for (const answer of [silent, stalled]) {
    const host = await hostAnswering(answer);
    const failure = await failureOf(probe(host.host, { ...XAPI_LIMITS, answerDeadlineMs: 2_000 }));
    assert.ok(failure instanceof AnswerOverdue, failure.stack);
    assert.match(failure.message, /system\.probe on 127\.0\.0\.1:\d+ was not answered within 2000 ms/);
  }
});

test('a connection that breaks before or within the answer has lost it', async () => {
  const before: Answer = (_call, _response, request) => {
    request.socket.destroy();
    return null;
  };
  const within: Answer = (_call, response) => {
    response.writeHead(200, { 'Content-Length': 1000 });
    response.write('<?xml', () => response.destroy());
    return null;
  };
  for (const answer of [before, within]) {
    const failure = await failureOf(probe((await hostAnswering(answer)).host));
    assert.ok(failure instanceof AnswerLost, failure.stack);
  }
});

test('a signal of the caller ends the call with its own reason', async () => {
  const reason = new HostUnreachable('the invocation ends');
  const controller = new AbortController();
  const host = await hostAnswering(() => {
    controller.abort(reason);
    return null;
  });
  assert.equal(await failureOf(probe(host.host, XAPI_LIMITS, controller.signal)), reason);
  assert.equal(await failureOf(probe(host.host, XAPI_LIMITS, controller.signal)), reason);
  assert.equal(host.calls.length, 1);
});

test('only the status 200 carries an answer: error pages and redirects are not read', async () => {
  for (const status of [500, 404, 431, 302]) {
    const host = await hostAnswering((_call, response) => {
      const body = status === 500 ? '<html><body>planted</body></html>' : success(untyped('1'));
      response.writeHead(status, { 'Content-Type': 'text/html', Location: host.url }).end(body);
      return null;
    });
    const failure = await failureOf(probe(host.host));
    assert.ok(failure instanceof UnexpectedReply);
    assert.match(failure.message, new RegExp(`status ${status}`));
    assert.doesNotMatch(JSON.stringify(failure), /planted/);
  }
});

test('what is no HTTP is unexpected, and the received bytes are not kept on the failure', async () => {
  const host = await hostAnswering((_call, _response, request) => {
    request.socket.end('planted\r\n\r\n');
    return null;
  });
  const failure = await failureOf(probe(host.host));
  assert.ok(failure instanceof UnexpectedReply, failure.stack);
  assert.ok(!inspect(failure, { depth: 9, showHidden: true, maxStringLength: null }).includes('rawPacket'));
});

test('bodies that are no XML-RPC reply are refused', async () => {
  const bodies = [
    '',
    'hello',
    '<html><body>It works</body></html>',
    '<?xml version="1.0"?><methodResponse><params>',
    '<methodResponse><params></params></methodResponse>',
    '<methodResponse><fault><value><struct></struct></value></fault></methodResponse>',
    '<methodResponse><params><param><value><i4>x</i4></value></param></params></methodResponse>',
    `${success(untyped('1')).slice(0, -20)}`,
  ];
  for (const body of bodies) {
    const host = await hostAnswering(() => body);
    const session = await openSession(host);
    const failure = await failureOf(session.read('system.probe', [], z.unknown()));
    assert.ok(failure instanceof UnexpectedReply, `${body}: ${failure.stack}`);
  }
});

test('a reply beyond the limit ends the call, with or without a declared length', async () => {
  const large = success(untyped('x'.repeat(2_000)));
  const chunked: Answer = (_call, response) => {
    response.writeHead(200).write(large.slice(0, 1_500));
    response.end(large.slice(1_500));
    return null;
  };
  for (const answer of [() => large, chunked]) {
    const host = await hostAnswering(answer);
    const failure = await failureOf(probe(host.host, { ...XAPI_LIMITS, replyBytes: 1_000 }));
    assert.ok(failure instanceof UnexpectedReply);
    assert.match(failure.message, /larger than 1000 bytes/);
  }
});

test('calls one after another share a connection, and their headers stay far below the 1024 bytes of a host', async () => {
  const host = await hostAnswering(() => success(untyped('1')));
  const transport = new XapiTransport(host.host);
  for (let call = 1; call <= 3; call++) {
    await transport.call({ method: 'system.probe', params: [], secrets: [] });
  }
  transport.close();
  assert.equal(host.received.connections, 1);
  assert.ok(host.received.headerBytes < 512, `${host.received.headerBytes}`);
});

test('many calls at once use at most four connections', async () => {
  const host = await hostAnswering(() => success(untyped('1')));
  const transport = new XapiTransport(host.host);
  const call = { method: 'system.probe', params: [], secrets: [] };
  await Promise.all(Array.from({ length: 20 }, () => transport.call(call)));
  transport.close();
  assert.equal(host.calls.length, 20);
  assert.ok(host.received.connections <= 4);
});
