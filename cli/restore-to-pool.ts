/** blockferry restore --to-host: how the options of the command become a session with the pool. */

import { randomBytes } from 'node:crypto';
import { InvalidArgumentError } from 'commander';
import { Failure } from '#lib/failure.ts';
import { connectNbd } from '#lib/nbd/connect.ts';
import { examinePool, readVmArchive, type VmImport } from '#lib/restore/import-vm.ts';
import { diskOfPoint, type NamedPoint } from '#lib/restore/points.ts';
import type { RestoreProgress } from '#lib/restore/restore-disk.ts';
import { type HostRestore, type RestoredToHost, restoreToHost } from '#lib/restore/restore-to-host.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import { DiskContent } from '#lib/vault/disk-content.ts';
import type { FrameUnpacker } from '#lib/vault/unpack-frames.ts';
import { parseFingerprint } from '#lib/xapi/certificate-pin.ts';
import { loginXapi } from '#lib/xapi/login.ts';
import type { XapiHost } from '#lib/xapi/pinned-agent.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { systemClock } from '#local/states/system-clock.ts';
import { readPassword } from './password.ts';
import { remarkRebuiltIndexes } from './rebuilt-indexes.ts';
import { UsageError } from './vault-options.ts';

export interface ToPoolOptions {
  readonly toHost?: string;
  readonly otherHost?: readonly XapiHost[];
  readonly fingerprint?: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly sr?: string;
  readonly name?: string;
  readonly disk?: string;
  readonly wholeVm?: boolean;
  readonly keepMacs?: boolean;
  readonly readBack?: boolean;
}

/** Somebody pressed Ctrl-C. */
class Interrupted extends Failure {
  static override readonly failureName = 'Interrupted';
}

export interface PoolRestore {
  readonly store: ObjectStore;
  readonly point: NamedPoint;
  readonly unpacker: FrameUnpacker;
  readonly onProgress: (progress: RestoreProgress) => void;
  /** Called with each sentence about what the VM will lack or find different, before anything is made. */
  readonly onRemark: (remark: string) => void;
}

/** Interrupting it removes what was begun. */
export async function restoreToPool(restore: PoolRestore, options: ToPoolOptions): Promise<RestoredToHost> {
  const { toHost, fingerprint, sr } = options;
  if (toHost === undefined || fingerprint === undefined || sr === undefined) {
    throw new UsageError('--to-host takes --fingerprint and --sr too');
  }
  const password = await readPassword(options.passwordFile);
  const host = { url: toHost, pin: { kind: 'fingerprint', sha256: parseFingerprint(fingerprint) } } as const;
  const interrupted = new AbortController();
  const onInterrupt = () => interrupted.abort(new Interrupted('interrupted: what was begun is removed'));
  process.once('SIGINT', onInterrupt);
  try {
    await using session = await loginXapi({
      host,
      redirects: options.otherHost ?? [],
      credentials: { username: options.username ?? 'root', password },
      originator: 'blockferry',
      clock: systemClock,
    });
    const otherHosts = options.otherHost ?? [];
    const access = { session, otherHosts, clock: systemClock, signal: interrupted.signal };
    const request = await requested(restore, session, { ...options, sr });
    const restored = await restoreToHost(access, request, restore.onProgress);
    for (const { content } of request.disks) remarkRebuiltIndexes(content, restore.onRemark);
    return restored;
  } finally {
    process.removeListener('SIGINT', onInterrupt);
  }
}

async function requested(
  { store, point, unpacker, onRemark }: PoolRestore,
  session: XapiSession,
  options: ToPoolOptions & { readonly sr: string },
): Promise<HostRestore> {
  const isAll = options.wholeVm === true && options.disk === undefined;
  const chosen = isAll ? point.point.disks : [diskOfPoint(point, options.disk)];
  const disks: HostRestore['disks'][number][] = [];
  for (const { disk, seq, name } of chosen) {
    const content = await DiskContent.open(store, { disk, seq }, unpacker);
    disks.push({ content, nameLabel: (options.wholeVm ? undefined : options.name) ?? `${name} (restored)` });
  }
  const over = { pool: { name: session.hostName, nbd: 'tls' }, connect: connectNbd } as const;
  const shared: HostRestore = {
    id: randomBytes(8).toString('hex'),
    sr: options.sr,
    disks,
    ...(options.readBack ? { readBack: over } : {}),
  };
  if (!options.wholeVm) return shared;
  const vm: VmImport = {
    point,
    nameLabel: options.name ?? `${point.point.vmName} (restored)`,
    identity: options.keepMacs ? 'kept' : 'new',
  };
  const archive = await readVmArchive(store, point);
  const remarks = await examinePool(session, archive, { vm, disks: chosen.map(({ disk }) => disk) });
  for (const remark of remarks) onRemark(remark);
  return { ...shared, vm: { ...vm, archive } };
}

/** `https://address=fingerprint`, for a host that transfers may be sent on to; may be given several times. */
export function otherHost(text: string, previous: readonly XapiHost[] = []): readonly XapiHost[] {
  const [, url, fingerprint] = /^(https:\/\/[^=]+)=([0-9A-Fa-f:]{64,95})$/.exec(text) ?? [];
  if (url === undefined || fingerprint === undefined) {
    throw new InvalidArgumentError('Write https://address=SHA-256 fingerprint of its certificate.');
  }
  return [...previous, { url, pin: { kind: 'fingerprint', sha256: parseFingerprint(fingerprint) } }];
}
