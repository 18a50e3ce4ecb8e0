/** What a run makes of the host's errors, as data: the tests play it, and docs/host-behaviour.md is compared with it. */

/** `again`: the step is tried again and the run is incremental. The others end as they say. */
type Outcome = 'again' | 'full' | 'without-the-disk' | { readonly fails: string };

/** Call, outcome of a run in which the call is refused once, and the codes that it is refused with. */
export const REACTIONS: readonly (readonly [method: string, outcome: Outcome, ...codes: string[]])[] = [
  [
    'VDI.snapshot',
    'again',
    'OTHER_OPERATION_IN_PROGRESS',
    'HOST_OFFLINE',
    'CANNOT_CONTACT_HOST',
    'SR_BACKEND_FAILURE_46',
    'SR_BACKEND_FAILURE_47',
    'SR_BACKEND_FAILURE_65',
    'VDI_IO_ERROR',
    'INTERNAL_ERROR',
  ],
  ['VM.get_record', 'again', 'HOST_STILL_BOOTING', 'HOST_IN_EMERGENCY_MODE'],
  ['VDI.list_changed_blocks', 'again', 'VDI_IN_USE', 'OTHER_OPERATION_IN_PROGRESS'],
  ['VDI.get_nbd_info', 'again', 'HOST_OFFLINE', 'CANNOT_CONTACT_HOST'],
  ['VDI.data_destroy', 'again', 'VDI_IN_USE', 'OTHER_OPERATION_IN_PROGRESS', 'VDI_NO_CBT_METADATA'],
  ['VDI.destroy', 'again', 'VDI_IN_USE', 'OTHER_OPERATION_IN_PROGRESS'],
  [
    'VDI.list_changed_blocks',
    'full',
    'SR_BACKEND_FAILURE_459',
    'SR_BACKEND_FAILURE_460',
    'VDI_NO_CBT_METADATA',
    'INTERNAL_ERROR',
    'HANDLE_INVALID',
    'SR_OPERATION_NOT_SUPPORTED',
    'UNIMPLEMENTED_IN_SM_BACKEND',
    'LICENCE_RESTRICTION',
  ],
  [
    'VDI.snapshot',
    'without-the-disk',
    'VDI_IS_SHARABLE',
    'VDI_IS_A_PHYSICAL_DEVICE',
    'VDI_ON_BOOT_MODE_INCOMPATIBLE_WITH_OPERATION',
    'VDI_INCOMPATIBLE_TYPE',
    'SR_BACKEND_FAILURE_66',
  ],
  ['VDI.snapshot', { fails: 'SrFull' }, 'SR_FULL', 'SR_BACKEND_FAILURE_44', 'SR_SOURCE_SPACE_INSUFFICIENT'],
  ['VDI.snapshot', { fails: 'ChainTooLong' }, 'SR_BACKEND_FAILURE_109'],
  ['VDI.snapshot', { fails: 'UpgradeInProgress' }, 'NOT_SUPPORTED_DURING_UPGRADE'],
  ['VDI.list_changed_blocks', { fails: 'UpgradeInProgress' }, 'NOT_SUPPORTED_DURING_UPGRADE'],
  ['VDI.snapshot', { fails: 'StorageDetached' }, 'SR_NO_PBDS', 'SR_NOT_ATTACHED'],
  ['VDI.snapshot', { fails: 'DiskMissing' }, 'VDI_MISSING', 'VDI_NOT_MANAGED'],
  ['VDI.snapshot', { fails: 'RoleInsufficient' }, 'RBAC_PERMISSION_DENIED'],
  ['VDI.snapshot', { fails: 'OperationNotAllowed' }, 'OPERATION_NOT_ALLOWED', 'VDI_CBT_ENABLED', 'VM_BAD_POWER_STATE'],
  ['VDI.snapshot', { fails: 'DiskTooLarge' }, 'VDI_TOO_LARGE', 'SR_BACKEND_FAILURE_79'],
  ['VDI.snapshot', { fails: 'TaskCancelled' }, 'TASK_CANCELLED'],
  ['VDI.snapshot', { fails: 'CallUnsupported' }, 'MESSAGE_METHOD_UNKNOWN', 'MESSAGE_PARAMETER_COUNT_MISMATCH'],
];

const WORDS = {
  again: 'the step is tried again',
  full: 'this disk in full',
  'without-the-disk': 'the disk is left out',
};

/** The outcome as titles of tests and the documentation say it. */
export function wordsOf(outcome: Outcome): string {
  return typeof outcome === 'string' ? WORDS[outcome] : `the run fails with ${outcome.fails}`;
}
