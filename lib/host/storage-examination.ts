/** The doctor's look at storage: tracking by SR and licence, room for snapshots, lengths of VHD chains. */

import { readPool } from '#lib/xapi/pool.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { readSr, readSrTypesWithCbt, type SrRecord, spaceOf } from '#lib/xapi/sr.ts';
import { readAllVdis, type VdiRecord } from '#lib/xapi/vdi.ts';
import { CHAIN_REFUSED_FILES, countChainFiles } from '#lib/xapi/vhd-chain.ts';
import { type Finding, failed, ok, warning } from './finding.ts';

/** Snapshots and coalescing need room; storage drivers stop coalescing altogether when there is nearly none. */
const FREE_WARNING = 0.1;
/** Every backup adds a file until the host has coalesced: five more runs and they would be refused. */
const CHAIN_WARNING_FILES = CHAIN_REFUSED_FILES - 5;

export async function examineTracking(session: XapiSession): Promise<readonly Finding[]> {
  const types = await readSrTypesWithCbt(session);
  const findings: Finding[] = [];
  if ((await readPool(session)).cbtRestricted) {
    const cure = 'Upgrade the licence; without it every backup reads each disk in full, and stores only what differs.';
    findings.push(warning('tracking', 'the licence of the pool has no changed block tracking', cure));
  }
  for (const sr of await srsWithDisks(session)) {
    if (types.has(sr.type)) findings.push(ok('tracking', `${sr.nameLabel} (${sr.type}) tracks changed blocks`));
    else {
      const cure = 'Move disks to another SR; here every backup reads them in full, and stores only what differs.';
      findings.push(warning('tracking', `${sr.nameLabel} (${sr.type}) does not track changed blocks`, cure));
    }
  }
  return findings;
}

export async function examineSpace(session: XapiSession): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const sr of await srsWithDisks(session)) {
    const space = spaceOf(sr);
    if (space.kind === 'unknown') continue;
    const free = space.freeBytes / sr.physicalBytes;
    const what = `${sr.nameLabel} has ${Math.round(free * 100)} % free`;
    const cure = 'Free space on the SR: a snapshot needs room for what changes while it exists.';
    if (space.kind === 'short') findings.push(failed('space', what, cure));
    else if (free < FREE_WARNING) findings.push(warning('space', what, cure));
    else findings.push(ok('space', what));
  }
  return findings;
}

export async function examineChains(session: XapiSession): Promise<readonly Finding[]> {
  const vdis = new Map<string, VdiRecord>((await readAllVdis(session)).map((vdi) => [vdi.uuid, vdi]));
  const long: Finding[] = [];
  let longest = 0;
  for (const vdi of vdis.values()) {
    const files = await countChainFiles(vdi, (uuid) => Promise.resolve(vdis.get(uuid)));
    longest = Math.max(longest, files);
    if (files < CHAIN_WARNING_FILES || vdi.isSnapshot || !vdi.managed) continue;
    const what = `the chain of ${vdi.nameLabel} has ${files} VHD files; the host takes no snapshot of one with 30`;
    const cure = 'Remove old snapshots and let the host coalesce, which takes hours; look at SMlog if it does not.';
    long.push(files >= CHAIN_REFUSED_FILES ? failed('chain', what, cure) : warning('chain', what, cure));
  }
  return long.length > 0
    ? long
    : [ok('chain', `the longest VHD chain has ${longest} ${longest === 1 ? 'file' : 'files'}`)];
}

async function srsWithDisks(session: XapiSession): Promise<readonly SrRecord[]> {
  const used = new Set((await readAllVdis(session)).map(({ sr }) => sr));
  const found: SrRecord[] = [];
  for (const sr of used) found.push(await readSr(session, sr));
  return found;
}
