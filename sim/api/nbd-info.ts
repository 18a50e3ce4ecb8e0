/** VDI.get_nbd_info: where a disk can be read over NBD. */

import type { Ref } from '#sim/database/database.ts';
import type { Value } from '#sim/wire/values.ts';
import type { World } from '#sim/world.ts';
import { ApiError } from './api-error.ts';
import type { Call } from './method.ts';
import { incompatibleType } from './vdi-rules.ts';

/** One record per host that reaches the disk, per interface on an NBD network, per address; none is no error. */
export async function nbdInfo({ world, args, session }: Call): Promise<Value> {
  const { VDI, PBD } = world.db;
  const vdi = args.ref(0, VDI);
  const { type, uuid, SR } = VDI.get(vdi);
  if (type === 'cbt_metadata') throw incompatibleType(world, vdi);
  if (world.faults.emptyNbdInfo) return [];
  const hosts = PBD.where((pbd) => pbd.SR === SR && pbd.currently_attached).map((pbd) => PBD.get(pbd).host);
  const [first] = hosts;
  // The certificate of every host is fetched without a guard, so one dead host fails the whole call.
  if (world.faults.hostOffline && first !== undefined) throw new ApiError('HOST_OFFLINE', [first]);
  const { shown, namedPem } = await world.certificates.nbd(world.faults.nbdCertificate);
  const exportname = `/${uuid}?session_id=${session}`;
  return hosts
    .flatMap((host) => nbdAddresses(world, host))
    .map((address) => ({ exportname, address, port: world.endpoints.nbdPort, cert: namedPem, subject: shown.subject }));
}

function nbdAddresses(world: World, host: Ref): string[] {
  const { PIF, network } = world.db;
  const pifs = PIF.where((pif) => pif.host === host && pif.currently_attached).map((pif) => PIF.get(pif));
  const exposed = pifs.filter((pif) => {
    const { purpose } = network.get(pif.network);
    return purpose.includes('nbd') || purpose.includes('insecure_nbd');
  });
  return exposed.flatMap((pif) => [
    ...(pif.IP === '' ? [] : [pif.IP]),
    // The prefix length is not stripped, and the daemon listens on IPv4 only.
    ...pif.IPv6,
    ...(world.faults.ipv6InNbdInfo ? ['fd00::5/64'] : []),
  ]);
}
