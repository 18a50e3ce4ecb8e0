/** Opens an export of a XenServer host's NBD server. */

import { strict as assert } from 'node:assert/strict';
import type { ExpectedCertificate } from '#lib/nbd/certificate.ts';
import { type ConnectionFacts, NbdConnection } from '#lib/nbd/connection.ts';
import { NBD_DEADLINES, type NbdDeadlines, within } from '#lib/nbd/deadlines.ts';
import { NbdConnectionLost } from '#lib/nbd/failures.ts';
import { Handshake, type HandshakeStep } from '#lib/nbd/handshake.ts';
import { READ_BOUNDS, type ReadBounds } from '#lib/nbd/read-queue.ts';
import { Transport } from '#lib/nbd/transport.ts';
import type { Secret } from '#lib/secret.ts';
import type { Bytes } from '#lib/units.ts';

/** Where an export is; the fields of `VDI.get_nbd_info`. `insecure` is for networks of purpose `insecure_nbd` only. */
export interface NbdEndpoint {
  readonly address: string;
  readonly port: number;
  readonly exportName: Secret;
  readonly security: ({ readonly kind: 'tls' } & ExpectedCertificate) | { readonly kind: 'insecure' };
}

export interface NbdOptions extends Partial<ReadBounds> {
  /** Ends the connection whenever it fires, while connecting and afterwards. */
  readonly signal?: AbortSignal;
  readonly deadlines?: Partial<NbdDeadlines>;
}

/**
 * Connects, verifies the peer, opens the export. Throws HostBusy, ExportRefused, NbdCertificateMismatch, NbdTlsRefused,
 * NbdProtocolViolation or NbdConnectionLost. Connections to one disk are to be opened one after another: two at the same
 * instant race for the device in dom0, and one of them may be refused.
 */
export async function connectNbd(endpoint: NbdEndpoint, options: NbdOptions = {}): Promise<NbdConnection> {
  const attempt = new Attempt(endpoint, options);
  try {
    return await attempt.run();
  } catch (failure) {
    attempt.transport.destroy();
    throw failure;
  }
}

class Attempt {
  readonly transport: Transport;
  readonly #endpoint: NbdEndpoint;
  readonly #options: NbdOptions;
  readonly #deadlines: NbdDeadlines;
  readonly #peer: string;
  readonly #handshake: Handshake;

  constructor(endpoint: NbdEndpoint, options: NbdOptions) {
    this.#endpoint = endpoint;
    this.#options = options;
    this.#deadlines = { ...NBD_DEADLINES, ...options.deadlines };
    this.#peer = `${endpoint.address}:${endpoint.port}`;
    this.#handshake = new Handshake({
      peer: this.#peer,
      exportName: endpoint.exportName,
      security: endpoint.security.kind,
    });
    this.transport = Transport.open({ peer: this.#peer, address: endpoint.address, port: endpoint.port });
  }

  async run(): Promise<NbdConnection> {
    await this.#wait('the connection', 'connectMs', this.transport.opened());
    const { exportBytes, facts } = await this.#negotiate();
    return new NbdConnection({
      peer: this.#peer,
      transport: this.transport,
      exportBytes,
      facts,
      deadlines: this.#deadlines,
      bounds: {
        maxInFlightBytes: this.#options.maxInFlightBytes ?? READ_BOUNDS.maxInFlightBytes,
        maxInFlightRequests: this.#options.maxInFlightRequests ?? READ_BOUNDS.maxInFlightRequests,
      },
      signal: this.#options.signal,
    });
  }

  /** Ends because the states of the handshake only go forward. */
  async #negotiate(): Promise<{ exportBytes: Bytes; facts: ConnectionFacts }> {
    let facts: ConnectionFacts = { kind: 'insecure' };
    let step = await this.#reply();
    for (;;) {
      switch (step.kind) {
        case 'send':
          this.transport.write(step.bytes);
          step = await this.#reply();
          break;
        case 'start-tls':
          facts = await this.#startTls();
          step = this.#handshake.secured();
          break;
        case 'ready':
          return { exportBytes: step.exportBytes, facts };
      }
    }
  }

  async #startTls(): Promise<ConnectionFacts> {
    const { security } = this.#endpoint;
    assert(security.kind === 'tls', 'the handshake begins TLS only where the plan asks for it');
    const secured = this.transport.startTls(security, (cause) => this.#handshake.closed(cause));
    return { kind: 'tls', verifiedBy: await this.#wait(this.#handshake.awaits, this.#handshake.deadline, secured) };
  }

  async #reply(): Promise<HandshakeStep> {
    const { promise, resolve, reject } = Promise.withResolvers<HandshakeStep>();
    this.transport.listen({
      received: (chunk) => {
        try {
          const step = this.#handshake.push(chunk);
          if (step !== undefined) resolve(step);
        } catch (failure) {
          reject(failure);
        }
      },
      ended: (cause) => reject(this.#handshake.closed(cause)),
    });
    return this.#wait(this.#handshake.awaits, this.#handshake.deadline, promise);
  }

  #wait<T>(what: string, deadline: keyof NbdDeadlines, work: Promise<T>): Promise<T> {
    const deadlineMs = this.#deadlines[deadline];
    const lost = (how: string, cause?: unknown): NbdConnectionLost =>
      new NbdConnectionLost(`waiting for ${what} from ${this.#peer} ended: ${how}`, { cause });
    return within(
      {
        deadlineMs,
        signal: this.#options.signal,
        expired: () => lost(`it did not come within ${deadlineMs} ms (${deadline})`),
        abandoned: (reason) => lost('the caller gave up', reason),
      },
      work,
    );
  }
}
