/** NBD servers with TLS that the clients read from, and what a client must know to reach one. */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { startNbdkit } from '../../test/servers/nbd-servers.ts';
import type { Stage } from './stage.ts';

/** How a client in a process of its own reaches an export; crosses as JSON. */
export interface NbdAddress {
  readonly port: number;
  readonly certificatePem: string;
  readonly subject: string;
}

export interface NbdSource extends AsyncDisposable {
  readonly address: NbdAddress;
}

/** nbdkit behind TLS 1.2, as a XenServer host speaks it. `plugin` is for example ['file', path]. */
export async function startSource(stage: Stage, plugin: readonly string[]): Promise<NbdSource> {
  const { certificate, subject } = stage;
  const server = await startNbdkit({ plugin, tls: { certificate } });
  return {
    address: { port: server.port, certificatePem: certificate.certificatePem, subject },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** The same export through a proxy, a process of its own, that delays both directions by half the round trip. */
export async function farAway(source: NbdAddress, roundTripMs: number): Promise<NbdSource> {
  const proxy = fork(join(import.meta.dirname, 'delaying-proxy.ts'), [`${source.port}`, `${roundTripMs / 2}`]);
  const [port]: unknown[] = await once(proxy, 'message');
  return {
    address: { ...source, port: Number(port) },
    async [Symbol.asyncDispose]() {
      const exited = once(proxy, 'exit');
      proxy.disconnect();
      await exited;
    },
  };
}
