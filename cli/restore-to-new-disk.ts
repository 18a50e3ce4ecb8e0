/** blockferry restore --to-host: how the options of the command become a session with the host. */

import { Failure } from '#lib/failure.ts';
import type { RestoreOptions } from '#lib/restore/restore-disk.ts';
import { type RestoredHostDisk, restoreToHost } from '#lib/restore/restore-to-host.ts';
import type { DiskContent } from '#lib/vault/disk-content.ts';
import { parseFingerprint } from '#lib/xapi/certificate-pin.ts';
import { loginXapi } from '#lib/xapi/login.ts';
import { systemClock } from '#local/states/system-clock.ts';
import { readPassword } from './password.ts';
import { UsageError } from './vault-options.ts';

export interface NewDiskOptions {
  readonly fingerprint?: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly sr?: string;
  readonly name?: string;
}

/** Somebody pressed Ctrl-C. */
class Interrupted extends Failure {
  static override readonly failureName = 'Interrupted';
}

/** Interrupting it destroys the disk that was begun. */
export async function restoreToNewDisk(
  content: DiskContent,
  options: NewDiskOptions & { readonly toHost: string },
  shared: RestoreOptions,
): Promise<RestoredHostDisk> {
  const { fingerprint, sr } = options;
  if (fingerprint === undefined || sr === undefined) throw new UsageError('--to-host takes --fingerprint and --sr too');
  const password = await readPassword(options.passwordFile);
  const sha256 = parseFingerprint(fingerprint);
  const host = { url: options.toHost, pin: { kind: 'fingerprint', sha256 } } as const;
  const interrupted = new AbortController();
  const onInterrupt = () => interrupted.abort(new Interrupted('interrupted: the disk that was begun is destroyed'));
  process.once('SIGINT', onInterrupt);
  try {
    await using session = await loginXapi({
      host,
      credentials: { username: options.username ?? 'root', password },
      originator: 'blockferry',
      clock: systemClock,
    });
    const access = { session, host, clock: systemClock, signal: interrupted.signal };
    const nameLabel = options.name ?? `${content.disk} restored`;
    return await restoreToHost(content, { access, disk: { sr, nameLabel } }, shared);
  } finally {
    process.removeListener('SIGINT', onInterrupt);
  }
}
