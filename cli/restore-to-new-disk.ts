/** blockferry restore --to-host: how the options of the command become a session with the host. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '#lib/clock.ts';
import { Failure } from '#lib/failure.ts';
import type { RestoreOptions } from '#lib/restore/restore-disk.ts';
import { type RestoredHostDisk, restoreToHost } from '#lib/restore/restore-to-host.ts';
import { parseSha256 } from '#lib/units.ts';
import type { DiskContent } from '#lib/vault/disk-content.ts';
import { loginXapi } from '#lib/xapi/login.ts';
import { readPassword } from './password.ts';
import { UsageError } from './vault-options.ts';

export interface HostOptions {
  readonly fingerprint?: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly sr?: string;
  readonly name?: string;
}

const systemClock: Clock = {
  now: () => new Date(),
  sleep: (durationMs, signal) => delay(durationMs, undefined, signal === undefined ? {} : { signal }),
};

/** Somebody pressed Ctrl-C. */
class Interrupted extends Failure {
  static override readonly failureName = 'Interrupted';
}

/** Interrupting it destroys the disk that was begun. */
export async function restoreToNewDisk(
  content: DiskContent,
  options: HostOptions & { readonly toHost: string },
  shared: RestoreOptions,
): Promise<RestoredHostDisk> {
  const { fingerprint, sr } = options;
  if (fingerprint === undefined || sr === undefined) throw new UsageError('--to-host takes --fingerprint and --sr too');
  const password = await readPassword(options.passwordFile);
  const sha256 = parseSha256(fingerprint.replaceAll(':', '').toLowerCase());
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
