/** How long the certificates are still valid that the hosts of a run show, so that nobody learns of it by a failed night. */

import { X509Certificate } from 'node:crypto';
import { readConnection } from '#lib/backup/connection-document.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { RunId } from '#lib/units.ts';

const DAY_MS = 86_400_000;

/**
 * Whole days until the first certificate of the run's NBD servers runs out, negative when one has. XenServer uses one
 * certificate for API and NBD. Undefined for a run without TLS, and for what is no certificate: readers refuse that by name.
 */
export async function certificateDaysLeft(store: ObjectStore, run: RunId, now: Date): Promise<number | undefined> {
  const connection = await readConnection(store, run);
  const exports = connection?.disks.flatMap((disk) => disk.exports) ?? [];
  const pems = new Set(exports.flatMap(({ security }) => (security.kind === 'tls' ? [security.certificatePem] : [])));
  const ends = [...pems].flatMap((pem) => endMsOf(pem) ?? []);
  if (ends.length === 0) return undefined;
  return Math.floor((Math.min(...ends) - now.getTime()) / DAY_MS);
}

function endMsOf(pem: string): number | undefined {
  try {
    const ms = new X509Certificate(pem).validToDate.getTime();
    return Number.isNaN(ms) ? undefined : ms;
  } catch {
    return undefined;
  }
}
