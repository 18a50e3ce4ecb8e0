/** A session with a simulated pool, as restores to a host take it. */

import { z } from 'zod/mini';
import type { HostAccess } from '#lib/restore/host-transfer.ts';
import { Secret } from '#lib/secret.ts';
import { parseSha256 } from '#lib/units.ts';
import { loginXapi } from '#lib/xapi/login.ts';
import type { XapiHost } from '#lib/xapi/pinned-agent.ts';
import type { Simulator } from '#sim/simulator.ts';
import { hastyClock } from './lone-site.ts';

export function pinned(sim: Simulator, url = sim.url): XapiHost {
  return { url, pin: { kind: 'fingerprint', sha256: parseSha256(sim.fingerprint) } };
}

/** Dispose its session. */
export async function accessTo(sim: Simulator): Promise<HostAccess> {
  const { username, password } = sim.credentials;
  const session = await loginXapi({
    host: pinned(sim),
    credentials: { username, password: new Secret(password) },
    originator: 'test',
    clock: hastyClock,
  });
  return { session, otherHosts: [], clock: hastyClock };
}

/** UUID of a storage repository by its name, or of the first. */
export async function srOf({ session }: HostAccess, name?: string): Promise<string> {
  const records = await session.read(
    'SR.get_all_records',
    [],
    z.record(z.string(), z.object({ uuid: z.string(), name_label: z.string() })),
  );
  const found = Object.values(records).find(({ name_label }) => name === undefined || name_label === name);
  if (found === undefined) throw new Error(`there is no storage repository ${name}`);
  return found.uuid;
}
