/**
 * The errors of the host's API as data: what each means, what to do, and what to tell the administrator. Codes and
 * parameters are those of xen-api's datamodel; `SR_BACKEND_FAILURE_n` numbers are those of the storage manager (sm).
 */

import {
  CallUnsupported,
  CbtChainBroken,
  CbtMetadataMissing,
  CbtSwitchFailed,
  CbtUnavailable,
  ChainTooLong,
  DiskIoFailed,
  DiskMissing,
  DiskTooLarge,
  DiskUnsupported,
  HostBooting,
  HostInternalError,
  HostOffline,
  type HostRefusal,
  NetworkPurposeRefused,
  NotCoordinator,
  ObjectGone,
  OperationInProgress,
  OperationNotAllowed,
  type Reaction,
  type RefusalFacts,
  RoleInsufficient,
  SessionLost,
  SrFull,
  StorageDetached,
  StorageUnavailable,
  TaskCancelled,
  UpgradeInProgress,
  VdiInUse,
  WrongCredentials,
  XapiError,
} from './failures.ts';

export interface ErrorRow {
  readonly failure: new (message: string, facts: RefusalFacts) => HostRefusal;
  readonly reaction: Reaction;
  /**
   * What the parameters after the code mean, in order. The host may send fewer (`VDI_IN_USE` has none, one or two) or
   * more; a parameter without a name is not shown, and `''` skips one.
   */
  readonly params: readonly string[];
  readonly cure: string;
}

type Columns = readonly [
  failure: ErrorRow['failure'],
  reaction: Reaction,
  params: string,
  cure: string,
  ...codes: string[],
];

/** Storage errors carry an empty parameter, a text that ends in `[opterr=…]`, and the standard error of the backend. */
const BACKEND = '- text';

const ROWS: readonly Columns[] = [
  // Sessions and roles. The parameter of SESSION_INVALID is the session reference itself: it has no name here, so that
  // it is never shown. The second parameter of SESSION_AUTHENTICATION_FAILED comes from PAM or from a directory.
  [SessionLost, 'log-in-again', '', 'Log in again and fetch the NBD information anew.', 'SESSION_INVALID'],
  [WrongCredentials, 'give-up', 'user text', 'Correct the user name or the password.', 'SESSION_AUTHENTICATION_FAILED'],
  [
    RoleInsufficient,
    'give-up',
    'permission text',
    'Give the user the role vm-admin; turning NBD on for a network needs a pool-admin once.',
    'RBAC_PERMISSION_DENIED',
  ],
  [NotCoordinator, 'follow', 'coordinator', 'List the coordinator with its certificate as a host.', 'HOST_IS_SLAVE'],

  // Hosts.
  [HostBooting, 'retry-slowly', '', 'Wait until the host is up.', 'HOST_STILL_BOOTING', 'HOST_IN_EMERGENCY_MODE'],
  [
    UpgradeInProgress,
    'skip-run',
    '',
    'Back up again after the pool upgrade; increments go on from the same base.',
    'NOT_SUPPORTED_DURING_UPGRADE',
  ],
  [HostOffline, 'retry', 'host', 'Bring the host back, or unplug its SRs.', 'HOST_OFFLINE', 'CANNOT_CONTACT_HOST'],
  [HostInternalError, 'retry-once', 'text', 'Look into /var/log/xensource.log of the host.', 'INTERNAL_ERROR'],
  [
    CallUnsupported,
    'give-up',
    'method expected received',
    'The host is older or newer than the call; Blockferry needs XenServer 7.3, XCP-ng 7.4 or later.',
    'MESSAGE_METHOD_UNKNOWN',
    'MESSAGE_PARAMETER_COUNT_MISMATCH',
  ],

  // Objects and what else is done with them.
  [ObjectGone, 'treat-as-done', 'class object', 'The object is gone: read the inventory again.', 'HANDLE_INVALID'],
  [
    ObjectGone,
    'treat-as-done',
    'class object',
    'This pool has no such object, or not any more: check the uuid, and that it is the right pool.',
    'UUID_INVALID',
  ],
  [
    VdiInUse,
    'retry',
    'vdi operation',
    'Wait for the attachment to dom0 to go; if it stays, unplug and destroy its VBD.',
    'VDI_IN_USE',
  ],
  [
    OperationInProgress,
    'retry-slowly',
    'class object operation operationTask',
    'Wait for the other operation to end.',
    'OTHER_OPERATION_IN_PROGRESS',
  ],
  [OperationNotAllowed, 'give-up', 'text', 'Look at the state of the object.', 'OPERATION_NOT_ALLOWED'],
  [
    OperationNotAllowed,
    'give-up',
    'vm expected actual',
    'Bring the VM into the state that is needed.',
    'VM_BAD_POWER_STATE',
  ],
  [
    OperationNotAllowed,
    'give-up',
    'vdi',
    'Storage migration needs changed block tracking off; that is for its owner to decide.',
    'VDI_CBT_ENABLED',
  ],
  [TaskCancelled, 'give-up', 'task', 'Find out who cancelled the task.', 'TASK_CANCELLED'],
  [
    NetworkPurposeRefused,
    'give-up',
    'purpose conflicting',
    'In one pool nbd and insecure_nbd exclude each other: remove the other purpose first.',
    'NETWORK_INCOMPATIBLE_PURPOSES',
  ],
  [NetworkPurposeRefused, 'give-up', 'network', 'Choose a network that the pool manages.', 'NETWORK_UNMANAGED'],

  // Disks that cannot be backed up, or not now.
  [
    DiskUnsupported,
    'skip-disk',
    '',
    'The disk is reset at boot: exclude it.',
    'VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION',
  ],
  [
    DiskUnsupported,
    'skip-disk',
    'vdi',
    'Shared and physical disks have no snapshots: exclude the disk.',
    'VDI_IS_SHARABLE',
    'VDI_IS_A_PHYSICAL_DEVICE',
  ],
  [DiskUnsupported, 'skip-disk', 'vdi type', 'The type of the disk forbids this: exclude it.', 'VDI_INCOMPATIBLE_TYPE'],
  [
    DiskUnsupported,
    'skip-disk',
    BACKEND,
    'Raw disks have no changed block tracking: exclude the disk.',
    'SR_BACKEND_FAILURE_66',
  ],
  [DiskMissing, 'give-up', 'sr vdi', 'Scan the SR and look for the disk.', 'VDI_MISSING'],
  [DiskMissing, 'give-up', 'vdi', 'Scan the SR and look for the disk.', 'VDI_NOT_MANAGED'],
  [DiskTooLarge, 'give-up', 'vdi', 'A VHD holds at most 2040 GiB.', 'VDI_TOO_LARGE'],
  [DiskTooLarge, 'give-up', BACKEND, 'A VHD holds at most 2040 GiB.', 'SR_BACKEND_FAILURE_79'],
  [DiskIoFailed, 'retry-once', 'text', 'Check the storage of the host.', 'VDI_IO_ERROR'],

  // Storage.
  [StorageDetached, 'give-up', 'sr', 'Plug the SR on a host.', 'SR_NO_PBDS', 'SR_NOT_ATTACHED'],
  [
    StorageUnavailable,
    'retry-slowly',
    BACKEND,
    'Check the connection between the hosts and their storage.',
    'SR_BACKEND_FAILURE_46',
    'SR_BACKEND_FAILURE_47',
    'SR_BACKEND_FAILURE_65',
  ],
  [SrFull, 'next-run', 'needed available', 'Free space on the SR.', 'SR_FULL'],
  [SrFull, 'next-run', 'sr needed available', 'Free space on the SR.', 'SR_SOURCE_SPACE_INSUFFICIENT'],
  [SrFull, 'next-run', BACKEND, 'Free space on the SR.', 'SR_BACKEND_FAILURE_44'],
  [
    ChainTooLong,
    'next-run',
    BACKEND,
    'Remove old snapshots and let the host coalesce; that takes hours.',
    'SR_BACKEND_FAILURE_109',
  ],

  // Changed block tracking.
  [
    CbtSwitchFailed,
    'retry-once',
    BACKEND,
    'If it happens again, back up in full.',
    'SR_BACKEND_FAILURE_457',
    'SR_BACKEND_FAILURE_458',
  ],
  [
    CbtChainBroken,
    'full',
    BACKEND,
    'Back up in full and destroy the stale CBT snapshots, otherwise every later run is a full.',
    'SR_BACKEND_FAILURE_459',
    'SR_BACKEND_FAILURE_460',
  ],
  [CbtMetadataMissing, 'full', 'vdi', 'Destroy the snapshot; the next run is a full.', 'VDI_NO_CBT_METADATA'],
  [CbtUnavailable, 'full', 'feature', 'Only full backups are possible without the licence.', 'LICENCE_RESTRICTION'],
  [
    CbtUnavailable,
    'full',
    'sr',
    'The SR type has no changed block tracking: only full backups are possible.',
    'SR_OPERATION_NOT_SUPPORTED',
    'UNIMPLEMENTED_IN_SM_BACKEND',
  ],
];

/** All codes for which there is something specific to do. */
export const ERROR_TABLE: ReadonlyMap<string, ErrorRow> = new Map(
  ROWS.flatMap(([failure, reaction, params, cure, ...codes]) =>
    codes.map((code) => [code, { failure, reaction, params: paramNames(params), cure }] as const),
  ),
);

/** For every other code: show what the host says. */
export const UNKNOWN_ERROR: ErrorRow = {
  failure: XapiError,
  reaction: 'give-up',
  params: ['param1', 'param2', 'param3', 'param4'],
  cure: 'The API reference of the host explains the code.',
};

function paramNames(columns: string): readonly string[] {
  if (columns === '') return [];
  return columns.split(' ').map((name) => (name === '-' ? '' : name));
}
