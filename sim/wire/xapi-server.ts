/** The API over HTTPS: routes requests to XML-RPC, JSON-RPC and the resource handlers. */

import type { Server, Socket } from 'node:net';
import { createServer } from 'node:tls';
import { asApiError } from '#sim/api/api-error.ts';
import type { Dispatcher } from '#sim/api/dispatcher.ts';
import { tlsPolicy } from '#sim/certificates.ts';
import type { Ref } from '#sim/database/database.ts';
import type { World } from '#sim/world.ts';
import { type HttpRequest, htmlError, type Outcome, respond, serveHttp } from './http-connection.ts';
import { jsonFailure, jsonSuccess, readJsonCall } from './json-rpc.ts';
import { listenOn } from './listen.ts';
import { readMethodCall } from './xml-rpc-reader.ts';
import { methodResponse } from './xml-rpc-writer.ts';

/** A larger RPC body is refused: 300 KiB. */
const MAX_RPC_BODY_BYTES = 307_200;

export type ResourceHandler = (request: HttpRequest, host: Ref) => Promise<Outcome>;

export interface XapiServerParts {
  readonly world: World;
  readonly dispatcher: Dispatcher;
  /** `VERB /path` -> handler. */
  readonly resources: ReadonlyMap<string, ResourceHandler>;
}

export class XapiServer {
  readonly #parts: XapiServerParts;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;
  readonly #host: Ref;

  constructor(parts: XapiServerParts, host: Ref) {
    this.#parts = parts;
    this.#host = host;
    const { world } = parts;
    this.#server = createServer(tlsPolicy(world.certificates.current, world.ecdhCurve), (socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket)).on('error', () => socket.destroy());
      serveHttp(socket, (request) => this.#handle(request), world.timings).catch(() => socket.destroy());
    });
  }

  listen(port: number, host: string): Promise<number> {
    return listenOn(this.#server, { host, port });
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(request: HttpRequest): Promise<Outcome> {
    if (this.#refuses()) {
      request.socket.destroy();
      return 'close';
    }
    const resource = this.#resourceFor(`${request.verb} ${request.path}`);
    if (resource) return resource(request, this.#host);
    if (request.verb === 'POST') return this.#rpc(request);
    if (request.verb === 'GET') return htmlError(request.socket, '404 Not Found', request.path);
    const known = request.verb === 'PUT' || request.verb === 'CONNECT' || request.verb === 'OPTIONS';
    return htmlError(request.socket, known ? '403 Forbidden' : '501 Method Not Implemented', request.path);
  }

  #refuses(): boolean {
    const { faults } = this.#parts.world;
    if (faults.apiSilence !== undefined) {
      faults.apiSilence.requests -= 1;
      const { requests, carriesOutLast } = faults.apiSilence;
      if (requests === -1 && carriesOutLast) faults.lostAnswers += 1;
      else if (requests < 0) return true;
    }
    if (faults.refusedRequests <= 0) return false;
    faults.refusedRequests -= 1;
    return true;
  }

  /** By the longest prefix, as the host's router does: clients write `/export_raw_vdi/` as well. */
  #resourceFor(asked: string): ResourceHandler | undefined {
    const matching = [...this.#parts.resources].filter(([prefix]) => asked.startsWith(prefix));
    return matching.toSorted(([a], [b]) => b.length - a.length)[0]?.[1];
  }

  async #rpc(request: HttpRequest): Promise<Outcome> {
    const { socket, headers, body } = request;
    const lengthBytes = Number(headers.get('content-length') ?? Number.NaN);
    if (!Number.isSafeInteger(lengthBytes)) return htmlError(socket, '500 Internal Server Error', 'no content-length');
    if (lengthBytes > MAX_RPC_BODY_BYTES) return htmlError(socket, '500 Internal Server Error', 'body too large');
    const text = (await body.exactly(lengthBytes)).toString('utf8');
    let answer: string;
    const json = request.path.startsWith('/jsonrpc');
    try {
      answer = json ? await this.#jsonRpc(text) : await this.#xmlRpc(text);
    } catch (error) {
      return htmlError(socket, '500 Internal Server Error', error instanceof Error ? error.message : String(error));
    }
    if (this.#loseAnswer(socket)) return 'close';
    const close = headers.get('connection')?.toLowerCase() === 'close';
    const types = json
      ? [
          'content-type: application/json',
          'access-control-allow-origin: *',
          'access-control-allow-headers: X-Requested-With',
        ]
      : ['content-type: text/xml'];
    return respond(socket, { status: '200 OK', headers: types, body: answer, close });
  }

  #loseAnswer(socket: Socket): boolean {
    const { faults } = this.#parts.world;
    if (faults.lostAnswers <= 0) return false;
    faults.lostAnswers -= 1;
    socket.destroy();
    return true;
  }

  async #xmlRpc(text: string): Promise<string> {
    const call = readMethodCall(text);
    // The only method without an envelope and without a session.
    if (call.method === 'system.listMethods') return methodResponse(this.#parts.dispatcher.methodNames);
    try {
      const value = await this.#parts.dispatcher.dispatch(call, this.#host);
      return methodResponse({ Status: 'Success', Value: value });
    } catch (error) {
      const { code, params } = asApiError(error);
      return methodResponse({ Status: 'Failure', ErrorDescription: [code, ...params] });
    }
  }

  async #jsonRpc(text: string): Promise<string> {
    const call = readJsonCall(text);
    if (call.method === 'system.listMethods') return jsonSuccess(call, this.#parts.dispatcher.methodNames);
    try {
      return jsonSuccess(call, await this.#parts.dispatcher.dispatch(call, this.#host));
    } catch (error) {
      return jsonFailure(call, asApiError(error));
    }
  }
}
