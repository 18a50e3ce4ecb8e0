/**
 * The preflight that a person runs before the first backup. Checks go from the outside in; one that the next ones need
 * ends the examination when it fails.
 *
 * ```
 * certificate -> login -> role, clock, tracking, NBD networks, NBD servers, space, chains
 * vault, when one is named
 * ```
 */

import type { PoolSettings } from '#lib/backup/host-access.ts';
import { openHostSession } from '#lib/backup/host-access.ts';
import type { Clock } from '#lib/clock.ts';
import { Failure } from '#lib/failure.ts';
import type { ObjectStore } from '#lib/store/object-store.ts';
import type { Sha256 } from '#lib/units.ts';
import { HostRefusal, RoleInsufficient } from '#lib/xapi/failures.ts';
import { readNbdInfo } from '#lib/xapi/nbd-info.ts';
import { parseHostUrl } from '#lib/xapi/pinned-agent.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { readShownFingerprint } from '#lib/xapi/shown-certificate.ts';
import { createTask, destroyTask, readTaskCreation } from '#lib/xapi/task.ts';
import { readAllVdis } from '#lib/xapi/vdi.ts';
import { type Check, type Finding, failed, failedBy, ok, warning } from './finding.ts';
import { examineNbdNetworks, examineNbdServers } from './nbd-examination.ts';
import { examineChains, examineSpace, examineTracking } from './storage-examination.ts';
import { examineVault } from './vault-examination.ts';

/** Half of what S3 tolerates between a signature's time and its own. */
const CLOCK_TOLERANCE_MS = 7 * 60_000;

export interface DoctorPorts {
  /** The address that the pool's settings name; known also when nothing is pinned yet. */
  readonly url: string;
  /** Undefined while there is no fingerprint to pin: then nothing is sent to the host. */
  readonly pool: PoolSettings | undefined;
  /** Undefined when no vault was named. */
  readonly vault: { readonly store: ObjectStore; readonly random: (bytes: number) => Buffer } | undefined;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export async function examine(ports: DoctorPorts): Promise<readonly Finding[]> {
  const findings = await examineHost(ports);
  if (ports.vault !== undefined) findings.push(...(await examineVault(ports.vault)));
  return findings;
}

async function examineHost(ports: DoctorPorts): Promise<Finding[]> {
  const certificate = await examineCertificate(ports);
  const { pool } = ports;
  if (certificate.state !== 'ok' || pool === undefined) return [certificate];
  const findings: Finding[] = [certificate];
  try {
    await using session = await openHostSession(pool, undefined, ports);
    findings.push(ok('login', `logged in at ${session.hostName}`));
    findings.push(...(await examinePool(ports, session)));
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    findings.push(failedBy('login', failure));
  }
  return findings;
}

async function examineCertificate({ url, pool }: DoctorPorts): Promise<Finding> {
  let shown: Sha256;
  try {
    shown = await readShownFingerprint(parseHostUrl(url));
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure;
    return failedBy('certificate', failure);
  }
  const pin = pool?.host.pin;
  if (pin === undefined) {
    const cure = `Compare it on the host's console (xe host-get-server-certificate), then give --fingerprint ${shown}`;
    return failed('certificate', `the host shows the fingerprint ${shown}, and nothing is pinned`, cure);
  }
  if (pin.kind === 'authority') return ok('certificate', `trusted by authority and name; fingerprint ${shown}`);
  if (pin.sha256 === shown) return ok('certificate', `pinned fingerprint ${shown}`);
  const cure = `If it was replaced on purpose, compare it on the host's console and give --fingerprint ${shown}`;
  return failed('certificate', `the host shows ${shown}, pinned is ${pin.sha256}`, cure);
}

/** Each check stands alone: what one cannot find out is no reason not to look at the rest. */
async function examinePool(ports: DoctorPorts, session: XapiSession): Promise<Finding[]> {
  const checks: readonly [Check, () => Promise<readonly Finding[]>][] = [
    ['role', () => examineRole(session)],
    ['clock', () => examineClock(session, ports.clock)],
    ['tracking', () => examineTracking(session)],
    ['nbd-network', () => examineNbdNetworks(session)],
    ['nbd-server', () => examineNbdServers(session, ports.signal)],
    ['space', () => examineSpace(session)],
    ['chain', () => examineChains(session)],
  ];
  const findings: Finding[] = [];
  for (const [check, look] of checks) {
    try {
      findings.push(...(await look()));
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      findings.push(failedBy(check, failure));
    }
  }
  return findings;
}

/** Reading the NBD information of a disk needs vm-admin, as everything that a backup does, and changes nothing. */
async function examineRole(session: XapiSession): Promise<readonly Finding[]> {
  const disk = (await readAllVdis(session)).find(({ type, missing }) => type !== 'cbt_metadata' && !missing);
  if (disk === undefined) return [warning('role', 'there is no disk to try the role with', 'Create a VM first.')];
  try {
    await readNbdInfo(session, disk.ref);
  } catch (failure) {
    if (failure instanceof RoleInsufficient)
      return [failed('role', failure.message, 'Give the user the role vm-admin.')];
    // The role is checked before anything else, so that every other refusal means that it suffices.
    if (!(failure instanceof HostRefusal)) throw failure;
  }
  return [ok('role', 'the user may do what a backup does (vm-admin)')];
}

/** A task of our own carries the host's time. */
async function examineClock(session: XapiSession, clock: Clock): Promise<readonly Finding[]> {
  const task = await createTask(session, 'blockferry doctor');
  const host = await readTaskCreation(session, task);
  await destroyTask(session, task);
  const skewSeconds = Math.round((host.getTime() - clock.now().getTime()) / 1000);
  const what = `the host's clock is ${Math.abs(skewSeconds)} s ${skewSeconds < 0 ? 'behind' : 'ahead'}`;
  if (Math.abs(skewSeconds) * 1000 < CLOCK_TOLERANCE_MS) return [ok('clock', what)];
  return [
    warning('clock', what, 'Set up NTP on the host and here: points are named by time, S3 refuses old signatures.'),
  ];
}
