/** A client for the tests: HTTPS with the pinned certificate, JSON-RPC 2.0 by default, raw bytes where a test needs them. */

import assert from 'node:assert/strict';
import { Agent, request } from 'node:https';
import { connect, type TLSSocket } from 'node:tls';
import type { Simulator } from '#sim/simulator.ts';

/** Calls of the API share connections, as a real client's do; single requests open their own. */
const keptConnections = new Agent({ keepAlive: true });

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

export function httpRequest(
  pool: Simulator,
  options: {
    method: string;
    path: string;
    headers?: Record<string, string>;
    body?: string | Buffer;
    url?: string;
    agent?: Agent;
  },
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      new URL(options.path, options.url ?? pool.url),
      {
        method: options.method,
        ca: pool.certificatePem,
        agent: options.agent ?? false,
        headers: options.headers ?? {},
      },
      (incoming) => {
        const pieces: Buffer[] = [];
        incoming.on('data', (piece: Buffer) => pieces.push(piece));
        incoming.on('error', reject);
        incoming.on('end', () => {
          const body = Buffer.concat(pieces).toString('latin1');
          resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, body });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(options.body);
  });
}

export function post(pool: Simulator, path: string, body: string): Promise<Answer> {
  const headers = { 'content-length': String(Buffer.byteLength(body)) };
  return httpRequest(pool, { method: 'POST', path, headers, body });
}

export class HostError extends Error {
  readonly code: string;
  readonly params: readonly string[];
  constructor(code: string, params: readonly string[]) {
    super([code, ...params].join(' '));
    this.code = code;
    this.params = params;
  }
}

/** A logged-in client. */
export class ApiClient {
  readonly #pool: Simulator;
  readonly session: string;

  private constructor(pool: Simulator, session: string) {
    this.#pool = pool;
    this.session = session;
  }

  static async login(pool: Simulator, user = pool.credentials, originator = 'test'): Promise<ApiClient> {
    const { username, password } = user;
    const session = await rawCall(pool, 'session.login_with_password', [username, password, '1.0', originator]);
    return new ApiClient(pool, session as string);
  }

  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever comes back
  call(method: string, ...params: unknown[]): Promise<any> {
    return rawCall(this.#pool, method, [this.session, ...params]);
  }

  /** Runs the Async form to its end; answers the XML fragment or throws the task's error. */
  async task(method: string, ...params: unknown[]): Promise<string> {
    const task = await this.call(`Async.${method}`, ...params);
    const record = await this.finished(task);
    await this.call('task.destroy', task);
    if (record.status !== 'success') throw new HostError(record.error_info[0], record.error_info.slice(1));
    return record.result;
  }

  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever comes back
  async finished(task: string): Promise<any> {
    for (let token = ''; ; ) {
      const record = await this.call('task.get_record', task);
      if (record.status !== 'pending' && record.status !== 'cancelling') return record;
      token = (await this.call('event.from', [`task/${task}`], token, 30)).token;
    }
  }

  /** A disk of a new, running VM, with tracking on. */
  async trackedDisk(sizeBytes: number): Promise<{ uuid: string; ref: string }> {
    const { vdis } = await this.#pool.addVm({ name: 'vm', disks: [{ sizeBytes }] });
    const uuid = vdis[0] ?? '';
    const ref = await this.call('VDI.get_by_uuid', uuid);
    await this.call('VDI.enable_cbt', ref);
    return { uuid, ref };
  }

  /** A snapshot by reference, and its uuid. */
  async snapshot(vdiUuid: string): Promise<{ ref: string; uuid: string }> {
    const vdi = await this.call('VDI.get_by_uuid', vdiUuid);
    const ref: string = await this.call('VDI.snapshot', vdi, {});
    return { ref, uuid: await this.call('VDI.get_uuid', ref) };
  }
}

export function rawCall(pool: Simulator, method: string, params: unknown[]): Promise<unknown> {
  return callAt(pool, { url: pool.url, method, params });
}

/** A call to one host of the pool. */
export async function callAt(
  pool: Simulator,
  { url, method, params }: { url: string; method: string; params: unknown[] },
): Promise<unknown> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const headers = { 'content-length': String(Buffer.byteLength(body)) };
  const answer = await httpRequest(pool, {
    method: 'POST',
    path: '/jsonrpc',
    headers,
    body,
    url,
    agent: keptConnections,
  });
  assert.equal(answer.status, 200);
  const { result, error } = JSON.parse(Buffer.from(answer.body, 'latin1').toString('utf8'));
  if (error) throw new HostError(error.message, error.data);
  return result;
}

/** The bare TLS connection, for requests no HTTP library would send. */
export function rawConnection(pool: Simulator): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect(
      { host: '127.0.0.1', port: Number(new URL(pool.url).port), ca: pool.certificatePem, servername: 'xenhost1.test' },
      () => resolve(socket),
    );
    socket.on('error', reject);
  });
}

/** Everything the other side sends until it closes. */
export function untilEnd(socket: { on(event: string, listener: (data: Buffer) => void): unknown }): Promise<Buffer> {
  return new Promise((resolve) => {
    const pieces: Buffer[] = [];
    socket.on('data', (piece) => pieces.push(piece));
    socket.on('error', () => resolve(Buffer.concat(pieces)));
    socket.on('close', () => resolve(Buffer.concat(pieces)));
  });
}

export function hostError(code: string, ...params: (string | RegExp)[]) {
  return (error: unknown) => {
    assert.ok(error instanceof HostError, String(error));
    assert.equal(error.code, code, error.message);
    for (const [index, expected] of params.entries()) {
      if (typeof expected === 'string') assert.equal(error.params[index], expected);
      else assert.match(error.params[index] ?? '', expected);
    }
    return true;
  };
}
