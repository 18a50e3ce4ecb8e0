/** Whether the NBD servers of a pool answer, and with the certificate that the host's API names for them. */

import { Failure } from '#lib/failure.ts';
import { connectNbd } from '#lib/nbd/connect.ts';
import { ExportRefused, HostBusy, NbdCertificateMismatch } from '#lib/nbd/failures.ts';
import { Secret } from '#lib/secret.ts';
import { type NbdAddress, readNbdInfo } from '#lib/xapi/nbd-info.ts';
import { hasPurpose, readAllNetworks } from '#lib/xapi/network.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { readAllVdis } from '#lib/xapi/vdi.ts';

/** No session is called so: the server refuses the export after TLS and certificate have been agreed on. */
const NO_EXPORT = new Secret('/00000000-0000-0000-0000-000000000000?session_id=none');
/** The server asks its own toolstack before it greets. */
const PROBE_LIMIT_MS = 15_000;
/** One disk of every SR leads to all addresses of the hosts that have the SR. */
const MAX_SRS = 64;

export interface NbdAnswer {
  readonly kind: 'serves' | 'full' | 'wrong-certificate' | 'silent';
  readonly address: string;
  readonly tls: boolean;
  readonly why: string;
}

/** Every address that a disk of the pool can be read at, tried once each. Nothing is attached on the host. */
export async function probeNbd(session: XapiSession, signal: AbortSignal): Promise<readonly NbdAnswer[]> {
  const tls = (await readAllNetworks(session)).every((network) => !hasPurpose(network, 'insecure_nbd'));
  const addresses = new Map<string, NbdAddress>();
  const srs = new Set<string>();
  for (const { sr, type, ref, missing } of await readAllVdis(session)) {
    if (srs.has(sr) || type === 'cbt_metadata' || missing || srs.size >= MAX_SRS) continue;
    srs.add(sr);
    for (const entry of await readNbdInfo(session, ref)) addresses.set(`${entry.address}:${entry.port}`, entry);
  }
  const answers: NbdAnswer[] = [];
  for (const [address, entry] of addresses) answers.push({ address, tls, ...(await tryOnce(entry, { tls, signal })) });
  return answers;
}

export function describeAnswer({ address, kind, why }: NbdAnswer): string {
  return kind === 'serves' ? `${address} serves` : `${address} is ${kind}: ${why}`;
}

async function tryOnce(
  entry: NbdAddress,
  { tls, signal }: { readonly tls: boolean; readonly signal: AbortSignal },
): Promise<Pick<NbdAnswer, 'kind' | 'why'>> {
  const { address, port, certificatePem, subject } = entry;
  const security = tls ? ({ kind: 'tls', certificatePem, subject } as const) : ({ kind: 'insecure' } as const);
  const limited = AbortSignal.any([signal, AbortSignal.timeout(PROBE_LIMIT_MS)]);
  try {
    const connection = await connectNbd({ address, port, exportName: NO_EXPORT, security }, { signal: limited });
    await connection.close();
    return { kind: 'serves', why: '' };
  } catch (failure) {
    signal.throwIfAborted();
    if (failure instanceof ExportRefused) return { kind: 'serves', why: '' };
    if (failure instanceof HostBusy) return { kind: 'full', why: failure.message };
    if (failure instanceof NbdCertificateMismatch) return { kind: 'wrong-certificate', why: failure.message };
    if (failure instanceof Failure || limited.aborted) return { kind: 'silent', why: String(failure) };
    throw failure;
  }
}
