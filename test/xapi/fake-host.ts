/** A small HTTPS server that answers like a host's API, or in every wrong way that a test asks for. */

import { createHash, X509Certificate } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { after } from 'node:test';
import selfsigned from 'selfsigned';
import type { Clock } from '#lib/clock.ts';
import { Secret } from '#lib/secret.ts';
import { parseSha256 } from '#lib/units.ts';
import { type LoginOptions, loginXapi } from '#lib/xapi/login.ts';
import type { XapiHost } from '#lib/xapi/pinned-agent.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { type Call, parseCall, refusal, success, untyped, type Wire } from './fake-xml.ts';

export const PASSWORD = 'hunter2&<correct>horse';
export const SESSION = 'OpaqueRef:5e551017-aaaa-bbbb-cccc-000000000001';

export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

const NAMES = [
  { type: 2 as const, value: 'xen1.example' },
  { type: 7 as const, ip: '127.0.0.1' },
];

/** A leaf for xen1.example and 127.0.0.1, self-signed or signed by `ca`. */
export async function makeCertificate(ca?: Certificate): Promise<Certificate> {
  const pems = await selfsigned.generate([{ name: 'commonName', value: 'xen1.example' }], {
    keySize: 2048,
    algorithm: 'sha256',
    extensions: [{ name: 'subjectAltName', altNames: NAMES }],
    ...(ca === undefined ? {} : { ca }),
  });
  return { key: pems.private, cert: pems.cert };
}

export async function makeAuthority(): Promise<Certificate> {
  const pems = await selfsigned.generate([{ name: 'commonName', value: 'Test authority' }], {
    keySize: 2048,
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, digitalSignature: true, critical: true },
    ],
  });
  return { key: pems.private, cert: pems.cert };
}

export const fingerprintOf = (cert: string) =>
  parseSha256(createHash('sha256').update(new X509Certificate(cert).raw).digest('hex'));

export type Answer = (
  call: Call,
  response: ServerResponse,
  request: IncomingMessage,
) => string | Promise<string> | null;

export interface FakeHost {
  readonly url: string;
  readonly host: XapiHost;
  readonly calls: Call[];
  /** Bytes received inside TLS over all connections, and how many connections there were. */
  readonly received: { bytes: number; connections: number; headerBytes: number };
  /** Answers by method; a string is a whole body with status 200, null means that the answer wrote by itself. */
  readonly answers: Map<string, Answer>;
  /** Cuts all connections. */
  cut(): void;
}

const shared = makeCertificate();

/** Listens on a free port of 127.0.0.1 until the test file ends. Login and logout work unless a test says otherwise. */
export async function startHost(certificate?: Certificate): Promise<FakeHost> {
  const { key, cert } = certificate ?? (await shared);
  const sockets = new Set<Socket>();
  const received = { bytes: 0, connections: 0, headerBytes: 0 };
  const calls: Call[] = [];
  const answers = new Map<string, Answer>([
    ['session.login_with_password', () => success(untyped(SESSION))],
    ['session.logout', () => success(untyped(''))],
  ]);
  const server = createServer({ key, cert, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', ecdhCurve: 'secp384r1' });
  server.on('secureConnection', (socket) => {
    received.connections++;
    sockets.add(socket);
    socket.on('data', (chunk: Buffer) => {
      received.bytes += chunk.length;
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('request', async (request, response) => {
    received.headerBytes = request.rawHeaders.reduce(
      (sum, text) => sum + text.length + 2,
      'POST / HTTP/1.1\r\n\r\n'.length,
    );
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    let call: Call;
    try {
      call = parseCall(Buffer.concat(chunks).toString());
    } catch (error) {
      response.writeHead(500).end(String(error));
      return;
    }
    calls.push(call);
    const answer = answers.get(call.method) ?? (() => refusal('MESSAGE_METHOD_UNKNOWN', call.method));
    const body = await answer(call, response, request);
    if (body !== null) response.writeHead(200, { 'Content-Type': 'text/xml' }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  after(() => {
    cut();
    server.close();
  });
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    host: { url, pin: { kind: 'fingerprint', sha256: fingerprintOf(cert) } },
    calls,
    received,
    answers,
    cut,
  };
}

/** A clock whose sleeps end at once and move its time. */
export class FakeClock implements Clock {
  readonly sleepsMs: number[] = [];
  #nowMs = Date.parse('2026-11-21T10:00:00Z');

  now(): Date {
    return new Date(this.#nowMs);
  }

  async sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.sleepsMs.push(durationMs);
    this.#nowMs += durationMs;
  }
}

/** How a test logs in; any part can be another. */
export function loginOptions(host: FakeHost, other: Partial<LoginOptions> = {}): LoginOptions {
  return {
    host: host.host,
    credentials: { username: 'backup', password: new Secret(PASSWORD) },
    originator: 'blockferry-test',
    clock: new FakeClock(),
    ...other,
  };
}

/** A session that ends with the test file. */
export async function openSession(host: FakeHost, other: Partial<LoginOptions> = {}): Promise<XapiSession> {
  const session = await loginXapi(loginOptions(host, other));
  after(() => session[Symbol.asyncDispose]());
  return session;
}

/** The failure of something that must fail. */
export async function failureOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error('expected a failure, and it succeeded');
}

/** A session with a host that answers each listed method with one value, and has forgotten the login. */
export async function answering(answers: Record<string, Wire>): Promise<{ host: FakeHost; session: XapiSession }> {
  const host = await startHost();
  for (const [method, value] of Object.entries(answers)) host.answers.set(method, () => success(value));
  const session = await openSession(host);
  host.calls.length = 0;
  return { host, session };
}
