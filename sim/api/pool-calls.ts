/** Calls on the pool, its hosts and its networks that are more than reading a field. */

import { type Value, VOID } from '#sim/wire/values.ts';
import { ApiError } from './api-error.ts';
import type { Call, Methods } from './method.ts';

const OPPOSITE: Readonly<Record<string, string>> = { nbd: 'insecure_nbd', insecure_nbd: 'nbd' };

export const poolMethods: Methods = {
  'pool.get_restrictions': {
    params: ['self'],
    role: 'read-only',
    syncOnly: true,
    run: ({ world }) => ({ restrict_cbt: String(world.faults.cbtRestricted), restrict_rbac: 'false' }),
  },
  'host.get_server_certificate': {
    params: ['host'],
    role: 'read-only',
    run: ({ world, args }) => {
      const host = args.ref(0, world.db.host);
      if (world.faults.hostOffline) throw new ApiError('HOST_OFFLINE', [host]);
      return world.certificates.current.certificatePem;
    },
  },
  'network.add_purpose': { params: ['self', 'value'], role: 'pool-admin', run: addPurpose },
  'network.remove_purpose': {
    params: ['self', 'value'],
    role: 'pool-admin',
    run: ({ world, args }) => {
      const network = args.ref(0, world.db.network);
      const purpose = world.db.network.get(network).purpose.filter((present) => present !== args.text(1));
      world.db.network.update(network, { purpose });
      return VOID;
    },
  },
  'PBD.plug': { params: ['self'], role: 'pool-operator', run: (call) => attachStorage(call, true) },
  'PBD.unplug': { params: ['self'], role: 'pool-operator', run: (call) => attachStorage(call, false) },
  'message.destroy': {
    params: ['self'],
    role: 'pool-operator',
    run: ({ world, args }) => {
      world.db.message.delete(args.ref(0, world.db.message));
      return VOID;
    },
  },
};

function attachStorage({ world, args }: Call, currently_attached: boolean): Value {
  world.db.PBD.update(args.ref(0, world.db.PBD), { currently_attached });
  return VOID;
}

/** Secure and insecure NBD cannot coexist anywhere in the pool, not even on different networks. */
function addPurpose({ world, args }: Call): Value {
  const { network } = world.db;
  const self = args.ref(0, network);
  const added = args.text(1);
  const opposite = OPPOSITE[added];
  if (opposite === undefined) throw new ApiError('VALUE_NOT_SUPPORTED', ['purpose', added, 'unknown purpose']);
  const { managed, purpose } = network.get(self);
  if (!managed) throw new ApiError('NETWORK_UNMANAGED', [self]);
  if (network.where((row) => row.purpose.includes(opposite)).length > 0) {
    throw new ApiError('NETWORK_INCOMPATIBLE_PURPOSES', [added, opposite]);
  }
  if (!purpose.includes(added)) network.update(self, { purpose: [...purpose, added] });
  return VOID;
}
