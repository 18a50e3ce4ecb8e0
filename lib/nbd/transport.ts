/** The socket below an NBD connection: opened, secured, and heard by one listener at a time. */

import { connect as connectTcp, type Socket } from 'node:net';
import { checkServerIdentity, connect as connectTls, type TLSSocket } from 'node:tls';
import type { Failure } from '#lib/failure.ts';
import {
  type ExpectedCertificate,
  parseExpected,
  serverName,
  type VerifiedBy,
  verifyCertificate,
} from '#lib/nbd/certificate.ts';
import { NbdConnectionLost } from '#lib/nbd/failures.ts';

/** Hears what the socket says. A listener that throws has to expect that nobody hears it: it translates by itself. */
export interface TransportListener {
  received(chunk: Buffer): void;
  /** The peer ended its side (`cause` undefined) or the connection broke. Told once. */
  ended(cause: Error | undefined): void;
}

/**
 * The host has no keepalive and no timeout of its own: a peer that vanishes holds one of its 16 connections and a device
 * in dom0 for ever. After 30 s of silence our kernel asks, and so do the tables of every NAT on the way.
 */
const KEEP_ALIVE_DELAY_MS = 30_000;

const SILENT: TransportListener = { received: () => undefined, ended: () => undefined };

export class Transport {
  readonly #peer: string;
  #socket: Socket;
  #listener: TransportListener = SILENT;
  #end: { readonly cause: Error | undefined } | undefined;

  private constructor(peer: string, socket: Socket) {
    this.#peer = peer;
    this.#socket = socket;
  }

  /** Starts to connect; `opened` tells when it is done. */
  static open({ peer, address, port }: { peer: string; address: string; port: number }): Transport {
    const socket = connectTcp({
      host: address,
      port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
    });
    const transport = new Transport(peer, socket);
    transport.#hear(socket);
    return transport;
  }

  async opened(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#socket.once('connect', resolve);
    this.listen({
      received: () => undefined,
      ended: (cause) =>
        reject(new NbdConnectionLost(`no connection to ${this.#peer}; is NBD enabled there?`, { cause })),
    });
    await promise;
  }

  /** Replaces the listener. One that comes after the end is told of it at once. */
  listen(listener: TransportListener): void {
    this.#listener = listener;
    if (this.#end !== undefined) listener.ended(this.#end.cause);
  }

  /** The socket's word on its buffer is ignored: what is written is bounded by the requests in flight, a few KiB. */
  write(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  /**
   * Puts TLS on the open socket and verifies the peer before a byte is sent through it; `lost` says what an end means.
   * The library's own verification cannot be used alone, because it rejects the leaf of an unknown authority even when
   * it is the very certificate we were told to expect; its verdict is one of the three ways in `verifyCertificate`,
   * which always runs.
   */
  async startTls(expected: ExpectedCertificate, lost: (cause: unknown) => Failure): Promise<VerifiedBy> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const secured = connectTls({
      socket: this.#socket,
      servername: serverName(expected.subject),
      ca: parseExpected(expected, this.#peer).toString(),
      checkServerIdentity: (_host, certificate) => checkServerIdentity(expected.subject, certificate),
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
    });
    this.#socket = secured;
    this.#hear(secured);
    secured.once('secureConnect', resolve);
    this.listen({ received: () => undefined, ended: (cause) => reject(lost(cause)) });
    await promise;
    return this.#verify(secured, expected);
  }

  /** Says the last bytes and waits, but not for ever, until the peer has closed too. What it still sends is dropped. */
  async end(lastBytes: Buffer, deadlineMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, deadlineMs);
    this.listen({ received: () => undefined, ended: () => resolve() });
    this.#socket.end(lastBytes);
    await promise;
    clearTimeout(timer);
    this.destroy();
  }

  /** Closes at once. The listener hears nothing more. */
  destroy(): void {
    this.#listener = SILENT;
    this.#socket.destroy();
  }

  #verify(secured: TLSSocket, expected: ExpectedCertificate): VerifiedBy {
    return verifyCertificate(secured.getPeerX509Certificate(), expected, {
      peer: this.#peer,
      chainVerified: secured.authorized,
    });
  }

  /** After `startTls` the plain socket below still has its listeners; what it says then is the TLS engine's business. */
  #hear(socket: Socket): void {
    const tellEnd = (cause: Error | undefined): void => {
      if (this.#end !== undefined || socket !== this.#socket) return;
      this.#end = { cause };
      this.#listener.ended(cause);
    };
    socket.on('data', (chunk: Buffer) => this.#listener.received(chunk));
    socket.on('error', tellEnd);
    socket.on('end', () => tellEnd(undefined));
    socket.on('close', () => tellEnd(undefined));
  }
}
