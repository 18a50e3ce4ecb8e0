/** The doctor's look at storage: tracking by SR and licence, room for snapshots, lengths of VHD chains. */

import { readPool } from '#lib/xapi/pool.ts';
import type { XapiSession } from '#lib/xapi/session.ts';
import { readSr, readSrTypesWithCbt, type SrRecord } from '#lib/xapi/sr.ts';
import { readAllVdis, type VdiRecord } from '#lib/xapi/vdi.ts';
import { type Finding, failed, ok, warning } from './finding.ts';

/** Snapshots and coalescing need room; storage drivers stop coalescing altogether when there is nearly none. */
const FREE_WARNING = 0.1;
const FREE_FAILED = 0.02;
/** The storage manager refuses snapshots beyond 30 links, and every backup adds one until the host has coalesced. */
const CHAIN_FAILED = 30;
const CHAIN_WARNING = 24;

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
  for (const { nameLabel, physicalBytes, usedBytes } of await srsWithDisks(session)) {
    if (physicalBytes <= 0) continue;
    const free = 1 - usedBytes / physicalBytes;
    const what = `${nameLabel} has ${Math.round(free * 100)} % free`;
    const cure = 'Free space on the SR: a snapshot needs room for what changes while it exists.';
    if (free < FREE_FAILED) findings.push(failed('space', what, cure));
    else if (free < FREE_WARNING) findings.push(warning('space', what, cure));
    else findings.push(ok('space', what));
  }
  return findings;
}

/** Parents are VDIs too, though hidden ones; each names its own in sm_config. */
export async function examineChains(session: XapiSession): Promise<readonly Finding[]> {
  const vdis = new Map<string, VdiRecord>((await readAllVdis(session)).map((vdi) => [vdi.uuid, vdi]));
  const long: Finding[] = [];
  let longest = 0;
  for (const vdi of vdis.values()) {
    const links = chainLength(vdi, vdis);
    longest = Math.max(longest, links);
    if (links < CHAIN_WARNING || vdi.isSnapshot) continue;
    const what = `the chain of ${vdi.nameLabel} has ${links} links`;
    const cure = 'Remove old snapshots and let the host coalesce, which takes hours; look at SMlog if it does not.';
    long.push(links >= CHAIN_FAILED ? failed('chain', what, cure) : warning('chain', what, cure));
  }
  return long.length > 0 ? long : [ok('chain', `the longest VHD chain has ${longest} links`)];
}

function chainLength(vdi: VdiRecord, vdis: ReadonlyMap<string, VdiRecord>): number {
  let links = 0;
  let parent = vdi.smConfig['vhd-parent'];
  // The bound is only against a ring in a damaged database.
  while (parent !== undefined && links <= CHAIN_FAILED) {
    links += 1;
    parent = vdis.get(parent)?.smConfig['vhd-parent'];
  }
  return links;
}

async function srsWithDisks(session: XapiSession): Promise<readonly SrRecord[]> {
  const used = new Set((await readAllVdis(session)).map(({ sr }) => sr));
  const found: SrRecord[] = [];
  for (const sr of used) found.push(await readSr(session, sr));
  return found;
}
