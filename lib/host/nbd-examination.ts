/** The doctor's look at NBD: which network carries it, and whether every server answers with the right certificate. */

import { hasPurpose } from '#lib/xapi/network.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { type Finding, failed, ok, warning } from './finding.ts';
import { readNbdNetworks, whyNoNbd } from './nbd-networks.ts';
import { probeNbd } from './nbd-probe.ts';

export async function examineNbdNetworks(session: XapiSession): Promise<readonly Finding[]> {
  const networks = await readNbdNetworks(session);
  const secure = networks.filter(({ network }) => hasPurpose(network, 'nbd'));
  const insecure = networks.filter(({ network }) => hasPurpose(network, 'insecure_nbd'));
  const names = (found: typeof networks) => found.map(({ network }) => network.nameLabel).join(', ');
  if (secure.length > 0) return [ok('nbd-network', `NBD with TLS is on for ${names(secure)}`)];
  if (insecure.length > 0) {
    const cure = 'Disable it with: blockferry host nbd disable <network>, then enable it with TLS.';
    return [warning('nbd-network', `NBD without TLS is on for ${names(insecure)}: disks travel in the clear`, cure)];
  }
  return [failed('nbd-network', whyNoNbd(networks), 'blockferry host nbd enable <network>')];
}

const CURES = {
  full: 'Wait for other readers, or restart the NBD service of the host: systemctl restart xapi-nbd',
  'wrong-certificate':
    'Restart the NBD service of the host, which loads the certificate once: systemctl restart xapi-nbd',
  silent: 'Open TCP port 10809 from here to the host, and look whether xapi-nbd runs there.',
} as const;

export async function examineNbdServers(session: XapiSession, signal: AbortSignal): Promise<readonly Finding[]> {
  const answers = await probeNbd(session, signal);
  if (answers.length === 0) {
    return [failed('nbd-server', 'the hosts name no NBD address', whyNoNbd(await readNbdNetworks(session)))];
  }
  return answers.map(({ kind, address, tls, why }) => {
    if (kind !== 'serves') return failed('nbd-server', `${address}: ${why}`, CURES[kind]);
    return ok('nbd-server', `${address} answers${tls ? ' with TLS and the certificate that the API names' : ''}`);
  });
}
