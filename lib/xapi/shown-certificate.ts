/** The certificate that a host shows, for a person to compare with the host's console and then to pin. */

import { connect } from 'node:tls';
import type { Sha256 } from '#lib/units.ts';
import { parseFingerprint } from './certificate-pin.ts';
import { connectCure } from './connect-cure.ts';
import { HostUnreachable } from './failures.ts';
import { hostName } from './pinned-agent.ts';

const DEADLINE_MS = 10_000;

/** SHA-256 of the leaf that `https://host[:port]` shows. Nothing is sent: nobody has verified who answers. */
export async function readShownFingerprint(url: URL): Promise<Sha256> {
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
  const unreachable = (cause: unknown) => {
    const cure = connectCure(cause);
    const message = `${url.host} cannot be reached over TLS: ${String(cause)}. ${cure}`;
    reject(new HostUnreachable(message, { cause, details: { cure } }));
  };
  const socket = connect({
    host: hostName(url),
    port: url.port === '' ? 443 : Number(url.port),
    minVersion: 'TLSv1.2',
    // Only looked at: the connection ends with the handshake.
    rejectUnauthorized: false,
  });
  socket.setTimeout(DEADLINE_MS, () => unreachable(`no answer within ${DEADLINE_MS} ms`));
  socket.once('secureConnect', () => resolve(socket.getPeerX509Certificate()?.fingerprint256));
  socket.on('error', unreachable);
  try {
    const shown = await promise;
    if (shown === undefined) throw new HostUnreachable(`${url.host} shows no certificate.`);
    return parseFingerprint(shown);
  } finally {
    socket.destroy();
  }
}
